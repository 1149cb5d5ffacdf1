//! Azure OpenAI, by deployment or by its v1 API.
//!
//! Upstream specification: Azure OpenAI in Microsoft Foundry Models, REST API reference,
//! <https://learn.microsoft.com/azure/ai-foundry/openai/reference>.
//!
//! With a `base_url` such as `https://NAME.openai.azure.com` a target's model is the name of a
//! deployment, which stands in the URL. With one that ends in `/openai/v1` it is the v1 API, which
//! has it in the body. The credential is an API key; whoever has an Entra token gives it as an
//! `authorization` header under `headers`.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::Uri;
use kernel::Operation;
use kernel::catalog::ProviderSpec;
use serde::de::IgnoredAny;

use crate::compatible::Compatible;
use crate::config::{self, ConfigError, Credential};
use crate::exchange::Upstream;
use crate::quirks::Quirks;
use crate::rack::Deps;
use crate::targets::Targets;
use crate::transport::{Transport, segment};
use crate::{Answer, Failure, Outbound, Provider, UpstreamModel};

/// The newest version of the API by deployment that is no preview.
const API_VERSION: &str = "2024-10-21";

/// Azure OpenAI.
#[derive(Debug)]
pub struct Azure {
    server: Compatible,
    calls: Calls,
    models: Uri,
}

/// Where calls go.
#[derive(Debug)]
enum Calls {
    /// The model's name is in the body.
    V1(Box<Targets>),
    /// The deployment's name is in the path.
    ByDeployment {
        /// `?api-version=…`
        query: String,
    },
}

/// The entry in the rack.
pub(crate) fn build(spec: &ProviderSpec, deps: &Deps) -> Result<Arc<dyn Provider>, ConfigError> {
    Ok(Arc::new(Azure::new(spec, &deps.transport)?))
}

impl Azure {
    fn new(spec: &ProviderSpec, transport: &Transport) -> Result<Self, ConfigError> {
        let base = config::base_url(spec, None)?;
        let version = spec.api_version.as_deref();
        let query = |version: &str| format!("?api-version={}", segment(version));
        let (base, calls, below) = if base.path().ends_with("/openai/v1") {
            let query = version.map(query).unwrap_or_default();
            let below = format!("/models{query}");
            let targets = Targets::new(spec, &base, &query)?;
            (base, Calls::V1(Box::new(targets)), below)
        } else {
            let path = base.path().trim_end_matches("/openai").to_owned();
            let query = query(version.unwrap_or(API_VERSION));
            let below = format!("/openai/models{query}");
            (base.with_path(&path), Calls::ByDeployment { query }, below)
        };
        let models = config::target(spec, &base, &below)?;
        let upstream = Upstream::new(spec, transport, base, Credential::Header("api-key"))?;
        // Azure also serves others' models, which reason in the open.
        let quirks = Quirks::none();
        Ok(Self { server: Compatible { upstream, quirks }, calls, models })
    }
}

impl Provider for Azure {
    fn supports(&self, operation: Operation) -> bool {
        match operation {
            Operation::Moderations => false,
            // The API by deployment has no Responses.
            Operation::Responses => matches!(self.calls, Calls::V1(_)),
            _ => true,
        }
    }

    fn enforces_schemas(&self) -> bool {
        true
    }

    fn call(&self, call: Outbound) -> BoxFuture<'_, Result<Answer, Failure>> {
        async move {
            match &self.calls {
                Calls::V1(targets) => self.server.call(&call, targets.of(call.operation)).await,
                Calls::ByDeployment { query } => {
                    let (deployment, path) = (segment(&call.model), call.operation.path());
                    let below = format!("/openai/deployments/{deployment}{path}{query}");
                    let target = self.server.upstream.target(&below)?;
                    self.server.call(&call, &target).await
                }
            }
        }
        .boxed()
    }

    /// Azure lists what could be deployed, not what is. So this only asks whether it answers;
    /// deployments are named in the configuration.
    fn models(&self) -> BoxFuture<'_, Result<Vec<UpstreamModel>, Failure>> {
        async move {
            let _: IgnoredAny = self.server.upstream.get(&self.models).await?;
            Ok(Vec::new())
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::spec;
    use crate::transport::TransportConfig;

    fn build(base_url: Option<&str>, key: Option<&str>) -> Result<Azure, ConfigError> {
        let mut spec = spec("azure");
        spec.base_url = base_url.map(str::to_owned);
        spec.api_key = key.map(|key| key.to_owned().into());
        Azure::new(&spec, &Transport::new(TransportConfig::default()))
    }

    #[test]
    fn both_ways_are_told_apart_by_the_base_url() {
        let v1 = build(Some("https://x.openai.azure.com/openai/v1/"), Some("k")).unwrap();
        assert!(matches!(v1.calls, Calls::V1(_)));
        assert_eq!(v1.models, "/openai/v1/models");
        for base in ["https://x.openai.azure.com", "https://x.openai.azure.com/openai/"] {
            let by_deployment = build(Some(base), Some("k")).unwrap();
            assert_eq!(by_deployment.models, "/openai/models?api-version=2024-10-21", "{base}");
        }
    }

    #[test]
    fn address_and_key_are_needed() {
        assert!(build(None, Some("k")).unwrap_err().to_string().contains("base_url"));
        let error = build(Some("https://x.openai.azure.com"), None).unwrap_err();
        assert!(error.to_string().contains("api_key"));
    }
}
