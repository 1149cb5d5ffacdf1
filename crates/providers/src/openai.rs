//! OpenAI, and every server that speaks its format.
//!
//! Upstream specification: the OpenAI API reference, <https://platform.openai.com/docs/api-reference>.
//! How other servers differ is data: `quirks.toml`.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::Uri;
use kernel::Operation;
use kernel::catalog::ProviderSpec;

use crate::compatible::Compatible;
use crate::config::{self, ConfigError, Credential};
use crate::exchange::Upstream;
use crate::quirks::Quirks;
use crate::rack::Deps;
use crate::targets::Targets;
use crate::transport::Transport;
use crate::{Answer, Failure, Outbound, Provider, UpstreamModel};

/// A server that speaks OpenAI's format.
#[derive(Debug)]
pub struct OpenAi {
    server: Compatible,
    calls: Targets,
    models: Uri,
}

/// The entry in the rack.
pub(crate) fn build(spec: &ProviderSpec, deps: &Deps) -> Result<Arc<dyn Provider>, ConfigError> {
    Ok(Arc::new(OpenAi::new(spec, &deps.transport)?))
}

impl OpenAi {
    fn new(spec: &ProviderSpec, transport: &Transport) -> Result<Self, ConfigError> {
        let quirks = Quirks::of(spec)?;
        let base = config::base_url(spec, quirks.base_url.as_deref())?;
        let targets = Targets::new(spec, &base, "")?;
        let models = config::target(spec, &base, "/models")?;
        let upstream = Upstream::new(spec, transport, base, Credential::OptionalBearer)?;
        Ok(Self { server: Compatible { upstream, quirks }, calls: targets, models })
    }
}

impl Provider for OpenAi {
    fn supports(&self, operation: Operation) -> bool {
        self.server.quirks.operations.contains(&operation)
    }

    fn enforces_schemas(&self) -> bool {
        self.server.quirks.enforces_schemas
    }

    fn call(&self, call: Outbound) -> BoxFuture<'_, Result<Answer, Failure>> {
        async move { self.server.call(&call, self.calls.of(call.operation)).await }.boxed()
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<UpstreamModel>, Failure>> {
        self.server.models(&self.models).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::spec;
    use crate::transport::TransportConfig;

    fn build(spec: &ProviderSpec) -> Result<OpenAi, ConfigError> {
        OpenAi::new(spec, &Transport::new(TransportConfig::default()))
    }

    #[test]
    fn services_are_known_by_their_quirks() {
        let mut spec = spec("openai");
        assert_eq!(build(&spec).unwrap().models, "/v1/models");
        spec.quirks = Some("groq".to_owned());
        let groq = build(&spec).unwrap();
        assert_eq!(*groq.calls.of(Operation::ChatCompletions), "/openai/v1/chat/completions");
        assert!(!groq.supports(Operation::Moderations));
    }

    #[test]
    fn a_local_server_needs_an_address() {
        let mut spec = spec("openai");
        spec.quirks = Some("vllm".to_owned());
        let error = build(&spec).unwrap_err().to_string();
        assert!(error.contains("base_url"), "{error}");
    }
}
