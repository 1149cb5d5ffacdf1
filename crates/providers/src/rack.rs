//! The rack: from the kind that a configuration names to the provider that speaks to it.

use std::sync::Arc;

use kernel::catalog::ProviderSpec;
use kernel::{SharedClock, SharedRng};

use crate::config::nearest;
use crate::transport::BaseUrl;
use crate::{ConfigError, KINDS, Provider, Transport};

/// Builds one kind of provider.
pub(crate) type Build = fn(&ProviderSpec, &Deps) -> Result<Arc<dyn Provider>, ConfigError>;

/// What providers are built from.
#[derive(Debug)]
pub(crate) struct Deps {
    pub(crate) transport: Transport,
    pub(crate) clock: SharedClock,
    pub(crate) rng: SharedRng,
}

/// All kinds of providers, ready to be built.
#[derive(Debug)]
pub struct Rack {
    deps: Deps,
}

impl Rack {
    /// A rack whose providers share these connections.
    pub fn new(transport: Transport, clock: SharedClock, rng: SharedRng) -> Self {
        Self { deps: Deps { transport, clock, rng } }
    }

    /// Builds a provider. It reaches nothing: `Provider::models` does.
    ///
    /// # Errors
    /// [`ConfigError`] says which setting is wrong and how to mend it.
    pub fn build(&self, spec: &ProviderSpec) -> Result<Arc<dyn Provider>, ConfigError> {
        let base = spec.base_url.as_deref().and_then(|text| BaseUrl::parse(text).ok());
        if base.is_some_and(|base| !self.deps.transport.permits(&base)) {
            let why = "it leads where this node may not connect to; an operator can allow it in \
                       [outbound]";
            return Err(ConfigError::setting(spec, "base_url", why));
        }
        match KINDS.iter().find(|(kind, _)| *kind == spec.kind) {
            Some((_, build)) => build(spec, &self.deps),
            None => Err(ConfigError::UnknownKind {
                provider: spec.name.clone(),
                kind: spec.kind.clone(),
                nearest: nearest(&spec.kind, Self::kinds()),
                known: Self::kinds().collect::<Vec<_>>().join(", "),
            }),
        }
    }

    /// The names of all kinds, in order.
    pub fn kinds() -> impl Iterator<Item = &'static str> {
        KINDS.iter().map(|(kind, _)| *kind)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use kernel::{SystemClock, SystemRng};

    use super::*;
    use crate::TransportConfig;
    use crate::config::tests::spec;

    pub(crate) fn deps() -> Deps {
        Deps {
            transport: Transport::new(TransportConfig::default()),
            clock: Arc::new(SystemClock),
            rng: Arc::new(SystemRng),
        }
    }

    #[test]
    fn every_kind_can_be_built() {
        let rack = Rack { deps: deps() };
        for kind in Rack::kinds() {
            let mut spec = spec(kind);
            spec.base_url = Some("http://127.0.0.1:1".to_owned());
            spec.api_key = Some("key".to_owned().into());
            assert!(rack.build(&spec).is_ok(), "{kind}");
        }
    }

    #[test]
    fn no_provider_is_where_credentials_are_handed_out() {
        let rack = Rack { deps: deps() };
        for url in [
            "http://169.254.169.254/latest/meta-data",
            "http://[fd00:ec2::254]",
            "http://[::ffff:a9fe:a9fe]",
            "http://metadata.google.internal/computeMetadata/v1",
        ] {
            let mut spec = spec("openai");
            spec.base_url = Some(url.to_owned());
            let error = rack.build(&spec).unwrap_err().to_string();
            assert!(error.contains("base_url") && error.contains("[outbound]"), "{url}: {error}");
        }
    }

    #[test]
    fn an_unknown_kind_is_told_the_nearest() {
        let error = Rack { deps: deps() }.build(&spec("antropic")).unwrap_err().to_string();
        assert!(error.contains("did you mean `anthropic`?") && error.contains("openai"), "{error}");
    }
}
