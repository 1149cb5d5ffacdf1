//! `[alerts]` and `[mail]`.

use std::fmt;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use crate::Reach;

/// How alerts behave.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlertsConfig {
    /// Seconds between two looks at spending and service levels.
    pub interval_secs: u64,
    /// A burning error budget is told only once this many calls failed, or were slow: one failure
    /// out of two calls at night is no outage.
    pub burn_min_calls: u64,
    /// E-mail addresses of those who run this installation. They are told when any organisation's
    /// error budget burns.
    pub operators: Vec<String>,
    /// Which addresses webhooks may lead to.
    pub webhook_addresses: Reach,
    /// Milliseconds that a webhook's receiver has for its answer.
    pub webhook_timeout_ms: u64,
}

impl Default for AlertsConfig {
    fn default() -> Self {
        Self {
            interval_secs: 60,
            burn_min_calls: 5,
            operators: Vec::new(),
            webhook_addresses: Reach::default(),
            webhook_timeout_ms: 10_000,
        }
    }
}

impl AlertsConfig {
    pub(crate) fn interval(&self) -> Duration {
        Duration::from_secs(self.interval_secs.max(1))
    }

    pub(crate) const fn webhook_timeout(&self) -> Duration {
        Duration::from_millis(self.webhook_timeout_ms)
    }
}

/// By which server mail goes out.
#[derive(Clone, Default)]
pub struct MailConfig {
    /// `smtp://user:password@host:587` with TLS after the greeting, `smtps://` with TLS from the
    /// start; `?tls=none` for a server on this machine. `None`: mail waits in the outbox.
    pub url: Option<SecretString>,
    /// Whom mail is from: `Kijun <kijun@example.com>`.
    pub from: String,
}

impl fmt::Debug for MailConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL holds a password.
        f.debug_struct("MailConfig").field("from", &self.from).finish_non_exhaustive()
    }
}
