//! Ollama: its OpenAI-compatible API for calls, its own for the list of models.
//!
//! Upstream specification: Ollama's API, <https://docs.ollama.com/api>, and its OpenAI
//! compatibility, <https://docs.ollama.com/api/openai-compatibility>.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::Uri;
use kernel::Operation;
use kernel::catalog::ProviderSpec;
use serde::Deserialize;

use crate::compatible::Compatible;
use crate::config::{self, ConfigError, Credential};
use crate::date::unix_seconds;
use crate::exchange::Upstream;
use crate::quirks::Quirks;
use crate::rack::Deps;
use crate::targets::Targets;
use crate::transport::Transport;
use crate::{Answer, Failure, Outbound, Provider, UpstreamModel};

const DEFAULT_BASE_URL: &str = "http://127.0.0.1:11434";

/// An Ollama server.
#[derive(Debug)]
pub struct Ollama {
    server: Compatible,
    calls: Targets,
    tags: Uri,
}

/// The entry in the rack.
pub(crate) fn build(spec: &ProviderSpec, deps: &Deps) -> Result<Arc<dyn Provider>, ConfigError> {
    Ok(Arc::new(Ollama::new(spec, &deps.transport)?))
}

impl Ollama {
    fn new(spec: &ProviderSpec, transport: &Transport) -> Result<Self, ConfigError> {
        let base = config::base_url(spec, Some(DEFAULT_BASE_URL))?;
        let root = base.path().trim_end_matches("/v1").to_owned();
        let tags = config::target(spec, &base.clone().with_path(&root), "/api/tags")?;
        let base = base.with_path(&format!("{root}/v1"));
        let calls = Targets::new(spec, &base, "")?;
        let upstream = Upstream::new(spec, transport, base, Credential::OptionalBearer)?;
        let quirks = Quirks::named("ollama").unwrap_or_else(Quirks::none);
        Ok(Self { server: Compatible { upstream, quirks }, calls, tags })
    }
}

impl Provider for Ollama {
    fn supports(&self, operation: Operation) -> bool {
        self.server.quirks.operations.contains(&operation)
    }

    fn call(&self, call: Outbound) -> BoxFuture<'_, Result<Answer, Failure>> {
        async move { self.server.call(&call, self.calls.of(call.operation)).await }.boxed()
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<UpstreamModel>, Failure>> {
        async move {
            let tags: Tags = self.server.upstream.get(&self.tags).await?;
            Ok(tags.models.into_iter().map(UpstreamModel::from).collect())
        }
        .boxed()
    }
}

#[derive(Deserialize)]
struct Tags {
    models: Vec<Tag>,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
    #[serde(default)]
    modified_at: String,
}

impl From<Tag> for UpstreamModel {
    fn from(tag: Tag) -> Self {
        let created = unix_seconds(&tag.modified_at).unwrap_or(0);
        Self { id: tag.name, created, owned_by: "ollama".to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::spec;
    use crate::transport::TransportConfig;

    #[test]
    fn the_base_url_may_end_in_v1_or_not() {
        for base in [None, Some("http://gpu:11434"), Some("http://gpu:11434/v1/")] {
            let mut spec = spec("ollama");
            spec.base_url = base.map(str::to_owned);
            let transport = Transport::new(TransportConfig::default());
            let ollama = Ollama::new(&spec, &transport).unwrap();
            assert_eq!(ollama.tags, "/api/tags");
            assert_eq!(*ollama.calls.of(Operation::Embeddings), "/v1/embeddings");
        }
    }

    #[test]
    fn tags_are_models() {
        let tags = r#"{"models":[{"name":"gemma3:4b","modified_at":"2025-10-03T23:34:03.4-07:00","size":1}]}"#;
        let tags: Tags = serde_json::from_str(tags).unwrap();
        let models: Vec<UpstreamModel> = tags.models.into_iter().map(Into::into).collect();
        let expected = UpstreamModel {
            id: "gemma3:4b".to_owned(),
            created: 1_759_559_643,
            owned_by: "ollama".to_owned(),
        };
        assert_eq!(models, [expected]);
    }
}
