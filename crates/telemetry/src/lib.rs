//! What machines are told of a node: metrics for Prometheus; traces, metrics and logs for
//! OpenTelemetry, by its conventions for generative AI.
//!
//! [`Metrics`] watches calls and is read by whoever asks. [`families`] lists everything it tells.
//! [`Sources`] are the parts of the node that are asked at that moment. [`otlp`] sends the same to
//! a collector, if one is configured; otherwise nothing of it is there.
//!
//! May know: the gateway, which it watches. Must never do: hold a call up, tell content, or let a
//! client choose how many series there are.

mod collect;
mod convention;
mod exposition;
pub mod families;
pub mod family;
mod histogram;
mod metrics;
pub mod otlp;
mod process;
mod refusals;
mod series;
pub mod sources;
mod table;

pub use exposition::Format;
pub use metrics::Metrics;
pub use otlp::{LogBridge, Otlp, OtlpConfig};
pub use sources::{NoticesState, PoolState, Sources};

/// What cannot be told, and why.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The collector's address is none.
    #[error(
        "the collector's address is no URL such as http://127.0.0.1:4318; write it without the \
         path of a signal (/v1/traces)"
    )]
    Endpoint,
    /// A share is no share.
    #[error("the share of traces that are kept is {ratio}; it must be between 0 and 1")]
    Ratio {
        /// As it was given.
        ratio: f64,
    },
    /// The HTTP client cannot be made.
    #[error("the HTTP client for the collector cannot be made: {why}")]
    Client {
        /// Why.
        why: String,
    },
}
