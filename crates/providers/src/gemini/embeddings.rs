//! OpenAI's embeddings by Gemini's `batchEmbedContents`.

use bytes::Bytes;
use kernel::catalog::FailureClass;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{Failure, vectors};

/// An embeddings request, as far as Gemini can express it.
#[derive(Debug)]
pub(super) struct Request {
    texts: Vec<String>,
    dimensions: Option<u64>,
    /// Whether the vectors are wanted as base64.
    pub(super) base64: bool,
    /// Fields that OpenAI does not have, such as `taskType`, go along.
    rest: Map<String, Value>,
}

#[derive(Deserialize)]
struct Asked {
    input: Value,
    dimensions: Option<u64>,
    encoding_format: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Request {
    /// Reads OpenAI's request.
    pub(super) fn read(body: &[u8]) -> Result<Self, Failure> {
        let asked: Asked = serde_json::from_slice(body).map_err(|error| {
            let message = format!("the body is no embeddings request (column {})", error.column());
            Failure::inexpressible(FailureClass::InvalidRequest, "input", &message)
        })?;
        let mut rest = asked.rest;
        rest.retain(|name, _| !matches!(name.as_str(), "model" | "user"));
        Ok(Self {
            texts: texts(asked.input)?,
            dimensions: asked.dimensions,
            base64: asked.encoding_format.as_deref() == Some("base64"),
            rest,
        })
    }

    /// Gemini's request: one entry for each text.
    pub(super) fn for_gemini(&self, model: &str) -> Bytes {
        let entry = |text: &String| {
            let mut entry = self.rest.clone();
            entry.insert("model".to_owned(), format!("models/{model}").into());
            entry.insert("content".to_owned(), json!({"parts": [{"text": text}]}));
            if let Some(dimensions) = self.dimensions {
                entry.insert("outputDimensionality".to_owned(), dimensions.into());
            }
            Value::Object(entry)
        };
        let entries: Vec<Value> = self.texts.iter().map(entry).collect();
        Bytes::from(json!({ "requests": entries }).to_string())
    }
}

fn texts(input: Value) -> Result<Vec<String>, Failure> {
    let tokens = || {
        let message = "Gemini embeds texts only: send a string or a list of strings, not tokens";
        Failure::inexpressible(FailureClass::InvalidRequest, "input", message)
    };
    match input {
        Value::String(text) => Ok(vec![text]),
        Value::Array(items) => {
            let text = |item| if let Value::String(text) = item { Ok(text) } else { Err(tokens()) };
            items.into_iter().map(text).collect()
        }
        _ => Err(tokens()),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Embedded {
    embeddings: Vec<Vector>,
    usage_metadata: Option<UsageMetadata>,
}

#[derive(Deserialize)]
struct Vector {
    values: Vec<f32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UsageMetadata {
    prompt_token_count: u64,
}

/// OpenAI's answer; `None` if Gemini's is not understood. Where Gemini counted no tokens there is
/// no `usage`, so that the gateway counts them itself.
pub(super) fn answer(document: &[u8], model: &str, base64: bool) -> Option<Bytes> {
    let embedded: Embedded = serde_json::from_slice(document).ok()?;
    let row = |(index, vector): (usize, &Vector)| {
        let embedding =
            if base64 { json!(vectors::pack(&vector.values)) } else { json!(vector.values) };
        json!({"object": "embedding", "index": index, "embedding": embedding})
    };
    let data: Vec<Value> = embedded.embeddings.iter().enumerate().map(row).collect();
    let mut answer = json!({"object": "list", "data": data, "model": model});
    if let (Some(usage), Some(answer)) = (embedded.usage_metadata, answer.as_object_mut()) {
        let tokens = usage.prompt_token_count;
        let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
        answer.insert("usage".to_owned(), usage);
    }
    Some(Bytes::from(answer.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_translated() {
        let body = br#"{"model":"a","input":["x","y"],"dimensions":2,"encoding_format":"base64","user":"u","taskType":"RETRIEVAL_QUERY"}"#;
        let request = Request::read(body).unwrap();
        assert!(request.base64);
        assert_eq!(
            request.for_gemini("m"),
            r#"{"requests":[{"taskType":"RETRIEVAL_QUERY","model":"models/m","content":{"parts":[{"text":"x"}]},"outputDimensionality":2},{"taskType":"RETRIEVAL_QUERY","model":"models/m","content":{"parts":[{"text":"y"}]},"outputDimensionality":2}]}"#
        );
    }

    #[test]
    fn tokens_are_refused_by_name() {
        for body in [r#"{"input":[1,2]}"#, r#"{"input":[[1]]}"#, r#"{"input":7}"#, "{}", "nonsense"] {
            let failure = Request::read(body.as_bytes()).unwrap_err();
            assert_eq!(failure.class, FailureClass::InvalidRequest);
            let said = failure.said.unwrap().body;
            let said: Value = serde_json::from_slice(&said).unwrap();
            assert_eq!(said["error"]["param"], "input", "{body}");
        }
    }

    #[test]
    fn answers_are_translated() {
        let document = br#"{"embeddings":[{"values":[1,-0.5]}],"usageMetadata":{"promptTokenCount":3}}"#;
        assert_eq!(
            answer(document, "m", false).unwrap(),
            r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1.0,-0.5]}],"model":"m","usage":{"prompt_tokens":3,"total_tokens":3}}"#
        );
        let uncounted = br#"{"embeddings":[{"values":[1,-0.5]}]}"#;
        assert_eq!(
            answer(uncounted, "m", true).unwrap(),
            r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AACAPwAAAL8="}],"model":"m"}"#
        );
        assert!(answer(b"{}", "m", false).is_none());
    }
}
