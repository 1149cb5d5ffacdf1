//! Providers and models as JSON: the bodies of their routes. The shell reads them here too, so that
//! what one door takes the other takes as well.

use kernel::catalog::{ModelSpec, ProviderSpec};

use super::models::put::ModelToPut;
use super::providers::put::ProviderToPut;
use super::sent;
use crate::problem::Problem;

/// A provider, as `POST /v1/organization/providers` takes it.
///
/// # Errors
/// A [`Problem`] that names the field.
pub fn provider(json: &[u8]) -> Result<ProviderSpec, Problem> {
    sent::read::<ProviderToPut>(json)?.into_spec()
}

/// A model, as `POST /v1/organization/models` takes it.
///
/// # Errors
/// A [`Problem`] that names the field.
pub fn model(json: &[u8]) -> Result<ModelSpec, Problem> {
    sent::read::<ModelToPut>(json)?.into_spec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::Operation;
    use kernel::catalog::FailureClass;

    #[test]
    fn every_field_is_read() {
        let json = br#"{"name": "hub", "kind": "openai", "headers": {"x-team": "search"},
            "timeouts": {"idle_ms": 5000}, "max_concurrent": 3}"#;
        let hub = provider(json).unwrap();
        assert_eq!(hub.headers["x-team"], "search");
        assert_eq!((hub.timeouts.idle_ms, hub.timeouts.connect_ms), (5_000, 5_000));
        assert_eq!((hub.max_concurrent, hub.discover), (Some(3), false));
        let json = br#"{"name": "m",
            "targets": [{"provider": "hub", "model": "x", "operations": ["embeddings"]}],
            "fallbacks": [{"model": "other", "on": ["timeout"]}]}"#;
        let model = model(json).unwrap();
        assert_eq!(model.targets[0].operations, [Operation::Embeddings]);
        assert_eq!(model.targets[0].weight, 1);
        assert_eq!(model.fallbacks[0].on, [FailureClass::Timeout]);
    }

    #[test]
    fn what_is_wrong_is_said_in_words() {
        let said = |json: &[u8]| model(json).unwrap_err().message();
        assert_eq!(said(br#"{"targets": []}"#), "`name` is missing");
        assert_eq!(said(b"[]"), "the body must be a JSON object");
        let heavy =
            br#"{"name": "m", "targets": [{"provider": "p", "model": "x", "weight": 9000000}]}"#;
        assert!(said(heavy).contains("targets[0].weight"));
        let json = br#"{"name": "p", "kind": "openai", "max_concurrent": 0}"#;
        assert!(provider(json).unwrap_err().message().contains("max_concurrent"));
    }
}
