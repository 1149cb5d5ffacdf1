//! How batches behave.

use std::time::Duration;

use serde::Deserialize;

/// How batches behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchesConfig {
    /// Lines that a node answers at once, all its batches together. What is left of the node and of
    /// its providers is for calls that somebody waits for.
    pub concurrency: usize,
    /// Lines of an input file at most.
    pub max_lines: u32,
    /// Bytes of an input file at most.
    pub max_input_bytes: u64,
    /// Bytes of one line at most.
    pub max_line_bytes: usize,
    /// Seconds after which the work of a node that does not say that it lives is another's.
    pub lease_secs: u64,
}

impl Default for BatchesConfig {
    fn default() -> Self {
        Self {
            concurrency: 16,
            max_lines: 50_000,
            max_input_bytes: 200 * 1024 * 1024,
            max_line_bytes: 32 * 1024 * 1024,
            lease_secs: 15,
        }
    }
}

impl BatchesConfig {
    pub(crate) fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_secs.max(3))
    }

    /// How often a lease is renewed: so that one renewal may fail.
    pub(crate) fn renewal(&self) -> Duration {
        self.lease() / 3
    }

    pub(crate) fn concurrency(&self) -> usize {
        self.concurrency.max(1)
    }
}
