//! Google Gemini.
//!
//! Upstream specification: the Gemini API, <https://ai.google.dev/api>.

mod embeddings;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::Uri;
use kernel::catalog::ProviderSpec;
use kernel::{Operation, SharedClock};
use serde::Deserialize;
use wire::translate::gemini;

use crate::config::{self, ConfigError, Credential};
use crate::exchange::{Upstream, invalid};
use crate::rack::Deps;
use crate::translated::Dialect;
use crate::transport::segment;
use crate::{Answer, Failure, Outbound, Provider, UpstreamModel};

const DEFAULT_BASE_URL: &str = "https://generativelanguage.googleapis.com/v1beta";

const GENERATE: Dialect =
    Dialect { request: gemini::request, response: gemini::response, stream: gemini::stream };

/// Google's Gemini API.
#[derive(Debug)]
pub struct Gemini {
    upstream: Upstream,
    clock: SharedClock,
    models: Uri,
}

/// The entry in the rack.
pub(crate) fn build(spec: &ProviderSpec, deps: &Deps) -> Result<Arc<dyn Provider>, ConfigError> {
    Ok(Arc::new(Gemini::new(spec, deps)?))
}

impl Gemini {
    fn new(spec: &ProviderSpec, deps: &Deps) -> Result<Self, ConfigError> {
        let base = config::base_url(spec, Some(DEFAULT_BASE_URL))?;
        let models = config::target(spec, &base, "/models?pageSize=1000")?;
        let credential = Credential::Header("x-goog-api-key");
        let upstream = Upstream::new(spec, &deps.transport, base, credential)?
            .with_errors(|status, body| Bytes::from(gemini::error(status, body).to_json()));
        Ok(Self { upstream, clock: Arc::clone(&deps.clock), models })
    }

    fn target(&self, model: &str, method: &str) -> Result<Uri, Failure> {
        self.upstream.target(&format!("/models/{}:{method}", segment(bare(model))))
    }

    async fn embed(&self, call: &Outbound) -> Result<Answer, Failure> {
        let target = self.target(&call.model, "batchEmbedContents")?;
        let request = embeddings::Request::read(&call.body)?;
        let body = request.for_gemini(bare(&call.model));
        let reply = self.upstream.post(call, &target, &body).await?;
        reply
            .whole(|document| {
                embeddings::answer(&document, &call.model, request.base64)
                    .ok_or_else(|| invalid("the provider's embeddings are not understood"))
            })
            .await
    }
}

impl Provider for Gemini {
    fn supports(&self, operation: Operation) -> bool {
        matches!(operation, Operation::ChatCompletions | Operation::Embeddings)
    }

    fn enforces_schemas(&self) -> bool {
        true
    }

    fn call(&self, call: Outbound) -> BoxFuture<'_, Result<Answer, Failure>> {
        async move {
            match call.operation {
                Operation::ChatCompletions => {
                    let method =
                        if call.stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
                    let target = self.target(&call.model, method)?;
                    GENERATE.call(&self.upstream, &self.clock, &call, &target).await
                }
                Operation::Embeddings => self.embed(&call).await,
                other => Err(Failure::unsupported(other)),
            }
        }
        .boxed()
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<UpstreamModel>, Failure>> {
        async move {
            let list: List = self.upstream.get(&self.models).await?;
            Ok(list.models.into_iter().filter(Listed::can_be_called).map(Into::into).collect())
        }
        .boxed()
    }
}

/// A model's name without the `models/` that Google puts before it.
fn bare(model: &str) -> &str {
    model.strip_prefix("models/").unwrap_or(model)
}

#[derive(Deserialize)]
struct List {
    models: Vec<Listed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    name: String,
    #[serde(default)]
    supported_generation_methods: Vec<String>,
}

impl Listed {
    /// Google also lists models for images, video and live speech.
    fn can_be_called(&self) -> bool {
        let ours = |method: &String| method == "generateContent" || method == "embedContent";
        self.supported_generation_methods.iter().any(ours)
    }
}

impl From<Listed> for UpstreamModel {
    fn from(model: Listed) -> Self {
        Self { id: bare(&model.name).to_owned(), created: 0, owned_by: "google".to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::spec;
    use crate::rack::tests::deps;

    #[test]
    fn targets_name_the_model_once() {
        let mut spec = spec("gemini");
        spec.api_key = Some("k".to_owned().into());
        let gemini = Gemini::new(&spec, &deps()).unwrap();
        for model in ["gemini-2.5-pro", "models/gemini-2.5-pro"] {
            let target = gemini.target(model, "streamGenerateContent?alt=sse").unwrap();
            assert_eq!(target, "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse");
        }
    }

    #[test]
    fn only_models_that_can_be_called_are_listed() {
        let list = r#"{"models":[
            {"name":"models/gemini-x","supportedGenerationMethods":["generateContent","countTokens"]},
            {"name":"models/veo-x","supportedGenerationMethods":["predictLongRunning"]}]}"#;
        let list: List = serde_json::from_str(list).unwrap();
        let names: Vec<&str> =
            list.models.iter().filter(|m| m.can_be_called()).map(|m| bare(&m.name)).collect();
        assert_eq!(names, ["gemini-x"]);
    }
}
