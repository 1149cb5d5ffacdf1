//! The OpenAI wire format: server-sent events, the error body, usage, and the translations to and
//! from what other providers speak.
//!
//! May know: `kernel` and bytes. Must never do: I/O, async, clocks; or change what it does not
//! understand: unknown fields pass through.

pub mod envelope;
pub mod error;
pub mod meter;
pub mod responses;
mod span;
pub mod sse;
pub mod translate;
pub mod usage;
