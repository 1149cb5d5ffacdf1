//! The words of OpenTelemetry's conventions for generative AI.

use std::sync::Arc;

use gateway::Gateway;
use kernel::Operation;

/// `gen_ai.operation.name`
pub(crate) const fn operation_name(operation: Operation) -> &'static str {
    match operation {
        Operation::ChatCompletions | Operation::Responses => "chat",
        Operation::Completions => "text_completion",
        Operation::Embeddings => "embeddings",
        // The conventions have no word for it.
        Operation::Moderations => "moderation",
    }
}

/// What the conventions want to know of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vendor {
    /// `gen_ai.provider.name`
    pub(crate) name: Arc<str>,
    /// `server.address`, where it is configured.
    pub(crate) address: Option<String>,
    /// `server.port`, where it is configured.
    pub(crate) port: Option<u16>,
}

impl Vendor {
    /// A provider as the gateway knows it. One that it knows no more goes by its configured name.
    pub(crate) fn of(gateway: Option<&Gateway>, provider: &str) -> Self {
        let snapshot = gateway.map(Gateway::snapshot);
        let named = snapshot.as_ref().and_then(|snapshot| snapshot.providers.get(provider));
        let Some(spec) = named.map(|named| &named.spec) else {
            return Self { name: provider.into(), address: None, port: None };
        };
        let word = spec.quirks.as_deref().unwrap_or(&spec.kind);
        let uri: Option<http::Uri> = spec.base_url.as_deref().and_then(|url| url.parse().ok());
        let standard = |uri: &http::Uri| if uri.scheme_str() == Some("http") { 80 } else { 443 };
        Self {
            name: provider_name(word).into(),
            address: uri.as_ref().and_then(|uri| uri.host()).map(str::to_owned),
            port: uri.as_ref().map(|uri| uri.port_u16().unwrap_or_else(|| standard(uri))),
        }
    }
}

/// The conventions' word for a provider's kind or quirks; where they have none, ours.
fn provider_name(kind: &str) -> &str {
    match kind {
        "azure" => "azure.ai.openai",
        "gemini" => "gcp.gemini",
        "mistral" => "mistral_ai",
        "xai" => "x_ai",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_vendors_have_their_well_known_names() {
        assert_eq!(provider_name("azure"), "azure.ai.openai");
        assert_eq!(provider_name("openai"), "openai");
        assert_eq!(provider_name("llama_cpp"), "llama_cpp");
    }

    #[test]
    fn a_provider_that_is_gone_goes_by_its_name() {
        let vendor = Vendor::of(None, "east");
        assert_eq!((&*vendor.name, vendor.address, vendor.port), ("east", None, None));
    }
}
