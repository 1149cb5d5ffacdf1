//! Anthropic.
//!
//! Upstream specification: the Messages API, <https://docs.claude.com/en/api/messages>.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Uri};
use kernel::catalog::ProviderSpec;
use kernel::{Operation, SharedClock};
use serde::Deserialize;
use wire::translate::anthropic;

use crate::config::{self, ConfigError, Credential};
use crate::date::unix_seconds;
use crate::exchange::Upstream;
use crate::rack::Deps;
use crate::translated::Dialect;
use crate::{Answer, Failure, Outbound, Provider, UpstreamModel};

const DEFAULT_BASE_URL: &str = "https://api.anthropic.com";
const API_VERSION: &str = "2023-06-01";

const MESSAGES: Dialect = Dialect {
    request: anthropic::request,
    response: anthropic::response,
    stream: anthropic::stream,
};

/// Anthropic's Messages API.
#[derive(Debug)]
pub struct Anthropic {
    upstream: Upstream,
    clock: SharedClock,
    messages: Uri,
    models: Uri,
}

/// The entry in the rack.
pub(crate) fn build(spec: &ProviderSpec, deps: &Deps) -> Result<Arc<dyn Provider>, ConfigError> {
    Ok(Arc::new(Anthropic::new(spec, deps)?))
}

impl Anthropic {
    fn new(spec: &ProviderSpec, deps: &Deps) -> Result<Self, ConfigError> {
        let base = config::base_url(spec, Some(DEFAULT_BASE_URL))?;
        let root = base.path().trim_end_matches("/v1").to_owned();
        let base = base.with_path(&root);
        let version = spec.api_version.as_deref().unwrap_or(API_VERSION);
        let version = HeaderValue::from_str(version).map_err(|_| {
            let why = "it is no header value; write a date such as 2023-06-01";
            ConfigError::setting(spec, "api_version", why)
        })?;
        let messages = config::target(spec, &base, "/v1/messages")?;
        let models = config::target(spec, &base, "/v1/models?limit=1000")?;
        let credential = Credential::Header("x-api-key");
        let upstream = Upstream::new(spec, &deps.transport, base, credential)?
            .with_header("anthropic-version", version)
            .with_errors(|status, body| Bytes::from(anthropic::error(status, body).to_json()));
        Ok(Self { upstream, clock: Arc::clone(&deps.clock), messages, models })
    }
}

impl Provider for Anthropic {
    fn supports(&self, operation: Operation) -> bool {
        operation == Operation::ChatCompletions
    }

    fn enforces_schemas(&self) -> bool {
        true
    }

    fn call(&self, call: Outbound) -> BoxFuture<'_, Result<Answer, Failure>> {
        async move {
            if !self.supports(call.operation) {
                return Err(Failure::unsupported(call.operation));
            }
            MESSAGES.call(&self.upstream, &self.clock, &call, &self.messages).await
        }
        .boxed()
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<UpstreamModel>, Failure>> {
        async move {
            let list: List = self.upstream.get(&self.models).await?;
            Ok(list.data.into_iter().map(UpstreamModel::from).collect())
        }
        .boxed()
    }
}

#[derive(Deserialize)]
struct List {
    data: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    id: String,
    #[serde(default)]
    created_at: String,
}

impl From<Listed> for UpstreamModel {
    fn from(model: Listed) -> Self {
        let created = unix_seconds(&model.created_at).unwrap_or(0);
        Self { id: model.id, created, owned_by: "anthropic".to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::spec;
    use crate::rack::tests::deps;

    #[test]
    fn the_base_url_may_end_in_v1_or_not() {
        for base in [None, Some("http://proxy/claude"), Some("http://proxy/claude/v1")] {
            let mut spec = spec("anthropic");
            spec.api_key = Some("k".to_owned().into());
            spec.base_url = base.map(str::to_owned);
            let anthropic = Anthropic::new(&spec, &deps()).unwrap();
            let expected = if base.is_some() { "/claude/v1/messages" } else { "/v1/messages" };
            assert_eq!(anthropic.messages, expected);
        }
    }

    #[test]
    fn models_are_listed_with_their_date() {
        let list = r#"{"data":[{"type":"model","id":"claude-x","created_at":"2025-02-19T00:00:00Z"}],"has_more":false}"#;
        let list: List = serde_json::from_str(list).unwrap();
        let models: Vec<UpstreamModel> = list.data.into_iter().map(Into::into).collect();
        assert_eq!((models[0].id.as_str(), models[0].created), ("claude-x", 1_739_923_200));
    }
}
