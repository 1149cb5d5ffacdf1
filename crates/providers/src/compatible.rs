//! What the providers that speak OpenAI's own format share: the body passes through, edited only
//! where the model's name and the server's quirks ask for it.

use bytes::Bytes;
use http::Uri;
use kernel::Operation;
use kernel::catalog::FailureClass;
use serde::Deserialize;

use crate::events::Edited;
use crate::exchange::{Form, Reply, Upstream, invalid};
use crate::failure::Said;
use crate::quirks::Quirks;
use crate::reasoning::{self, BothNames};
use crate::{Answer, AnswerBody, Failure, Outbound, UpstreamModel, single, vectors};

/// A server that speaks OpenAI's format.
#[derive(Debug)]
pub(crate) struct Compatible {
    pub(crate) upstream: Upstream,
    pub(crate) quirks: &'static Quirks,
}

impl Compatible {
    /// Makes the call at this target.
    pub(crate) async fn call(&self, call: &Outbound, target: &Uri) -> Result<Answer, Failure> {
        let streamed = call.stream && call.operation.streams();
        // A stream of Responses tells its usage unasked.
        let ask_usage =
            streamed && self.quirks.takes_usage_option && call.operation != Operation::Responses;
        let body = wire::envelope::rewrite(&call.body, &call.model, ask_usage).map_err(refused)?;
        let mut body = self.quirks.apply(body);
        let numbers = (call.operation == Operation::Embeddings && !self.quirks.base64_embeddings)
            .then(|| vectors::ask_for_numbers(&body))
            .flatten();
        let pack = numbers.is_some();
        if let Some(numbers) = numbers {
            body = numbers;
        }
        let reply = self.upstream.post(call, target, &body).await?;
        if reply.form() == Form::Html {
            return Err(invalid(
                "the provider answered with a web page; does its `base_url` end where the API \
                 begins (often in /v1)?",
            ));
        }
        let reasons = self.quirks.both_reasoning && call.operation == Operation::ChatCompletions;
        if streamed {
            return streamed_answer(reply, reasons).await;
        }
        reply.whole(|document| whole_answer(document, reasons, pack)).await
    }

    /// The models that are listed at this target.
    pub(crate) async fn models(&self, target: &Uri) -> Result<Vec<UpstreamModel>, Failure> {
        if !self.quirks.lists_models {
            return Ok(Vec::new());
        }
        let list: List = self.upstream.get(target).await?;
        let listed = |model: Listed| UpstreamModel {
            id: model.id,
            created: model.created.unwrap_or(0),
            owned_by: model.owned_by.unwrap_or_default(),
        };
        Ok(list.models().into_iter().map(listed).collect())
    }
}

async fn streamed_answer(reply: Reply, reasons: bool) -> Result<Answer, Failure> {
    if reply.form() == Form::Events {
        return Ok(reply
            .events(|body| if reasons { Edited::boxed(body, BothNames) } else { Box::pin(body) }));
    }
    let mut answer = reply.whole(|document| whole_answer(document, reasons, false)).await?;
    if let AnswerBody::Whole { document, .. } = &answer.body {
        answer.body = AnswerBody::Events(single::as_events(document)?);
    }
    Ok(answer)
}

fn whole_answer(document: Bytes, reasons: bool, pack: bool) -> Result<Bytes, Failure> {
    if pack {
        return vectors::as_base64(&document)
            .ok_or_else(|| invalid("the provider's embeddings are not understood"));
    }
    let edited = if reasons { reasoning::both(&document) } else { None };
    Ok(edited.map_or(document, Bytes::from))
}

fn refused(error: wire::error::ErrorBody) -> Failure {
    Failure {
        class: FailureClass::InvalidRequest,
        said: Some(Box::new(Said {
            status: http::StatusCode::BAD_REQUEST,
            headers: http::HeaderMap::new(),
            body: Bytes::from(error.to_json()),
        })),
        message: error.message,
    }
}

/// `GET /models`; some services leave out the list around the models.
#[derive(Deserialize)]
#[serde(untagged)]
enum List {
    Wrapped { data: Vec<Listed> },
    Bare(Vec<Listed>),
}

impl List {
    fn models(self) -> Vec<Listed> {
        match self {
            Self::Wrapped { data } => data,
            Self::Bare(models) => models,
        }
    }
}

#[derive(Deserialize)]
struct Listed {
    id: String,
    #[serde(default, deserialize_with = "whole_number")]
    created: Option<i64>,
    owned_by: Option<String>,
}

/// Some servers write the time as a float, or leave it null.
fn whole_number<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    let number: serde_json::Value = Deserialize::deserialize(from)?;
    Ok(number.as_i64().or_else(|| number.as_f64().map(|seconds| seconds as i64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_models_are_read_as_servers_write_them() {
        for list in [
            r#"{"object":"list","data":[{"id":"a","object":"model","created":7,"owned_by":"x"}]}"#,
            r#"[{"id":"a","created":7.0,"owned_by":"x"}]"#,
        ] {
            let models = serde_json::from_str::<List>(list).unwrap().models();
            assert_eq!(models.len(), 1, "{list}");
            assert_eq!((models[0].id.as_str(), models[0].created), ("a", Some(7)));
        }
        let sparse = serde_json::from_str::<List>(r#"{"data":[{"id":"a","created":null}]}"#);
        assert_eq!(sparse.unwrap().models()[0].created, None);
    }

    #[test]
    fn whole_answers_pass_unless_something_is_missing() {
        let plain = Bytes::from_static(b"{ \"content\" : \"x\" }");
        assert_eq!(whole_answer(plain.clone(), true, false).unwrap(), plain);
        let one = Bytes::from_static(br#"{"reasoning":"r"}"#);
        assert_eq!(
            whole_answer(one.clone(), true, false).unwrap(),
            r#"{"reasoning":"r","reasoning_content":"r"}"#
        );
        assert_eq!(whole_answer(one.clone(), false, false).unwrap(), one);
        assert!(whole_answer(one, false, true).is_err());
    }
}
