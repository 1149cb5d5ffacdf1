//! `[metrics]`, `[telemetry]` and `[mail]`: whom a node tells how it is.

use std::collections::BTreeMap;
use std::time::Duration;

use alerts::MailConfig;
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use telemetry::OtlpConfig;

use super::secret::SecretSource;
use super::{Config, ConfigError, Environment, wrong};

/// `[metrics]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MetricsSection {
    enabled: bool,
    token: SecretSource,
}

/// `[telemetry]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TelemetrySection {
    otlp_endpoint: String,
    #[serde(default)]
    headers: BTreeMap<String, SecretSource>,
    traces: bool,
    metrics: bool,
    logs: bool,
    sample_ratio: f64,
    interval_secs: u64,
    service_name: String,
}

/// `[mail]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MailSection {
    url: SecretSource,
    from: String,
}

impl Config {
    /// Whether Prometheus may read, and the token that lets it in from elsewhere, if there is one.
    ///
    /// # Errors
    /// When the token is not where it should be.
    pub(crate) fn metrics(
        &self,
        environment: &Environment,
    ) -> Result<Option<SecretString>, ConfigError> {
        let token = self.metrics.token.read("metrics.token", environment)?;
        Ok((!token.expose_secret().is_empty()).then_some(token))
    }

    /// Whether Prometheus may read at all.
    pub(crate) const fn has_metrics(&self) -> bool {
        self.metrics.enabled
    }

    /// What goes to a collector of OpenTelemetry, from the node of this name.
    ///
    /// # Errors
    /// When a header is none, or not where it should be.
    pub(crate) fn otlp(
        &self,
        environment: &Environment,
        node: &str,
    ) -> Result<OtlpConfig, ConfigError> {
        let section = &self.telemetry;
        let mut headers = HeaderMap::new();
        for (name, value) in &section.headers {
            let owner = format!("telemetry.headers.{name}");
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| wrong(&owner, "is no name of a header"))?;
            let value = value.read(&owner, environment)?;
            let mut value = HeaderValue::from_str(value.expose_secret())
                .map_err(|_| wrong(&owner, "is no value that a header can have"))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(OtlpConfig {
            endpoint: section.otlp_endpoint.clone(),
            headers,
            traces: section.traces,
            metrics: section.metrics,
            logs: section.logs,
            sample_ratio: section.sample_ratio,
            interval: Duration::from_secs(section.interval_secs.max(1)),
            service_name: section.service_name.clone(),
            instance: node.to_owned(),
        })
    }

    /// By which server mail goes out.
    ///
    /// # Errors
    /// When its URL is not where it should be.
    pub(crate) fn mail(&self, environment: &Environment) -> Result<MailConfig, ConfigError> {
        let url = self.mail.url.read("mail.url", environment)?;
        let url = (!url.expose_secret().is_empty()).then_some(url);
        Ok(MailConfig { url, from: self.mail.from.clone() })
    }
}
