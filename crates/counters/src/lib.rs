//! What several nodes share of a limit: counters in Valkey (or Redis), or in PostgreSQL where there
//! is none. One file for each kind of place.
//!
//! May know: admission, whose counters it shares; the store. Must never do: decide whether a call
//! goes out, or hold one up longer than it is told to.

mod config;
mod database;
mod error;
mod valkey;

pub use config::{CountersConfig, open};
pub use error::CountersError;
