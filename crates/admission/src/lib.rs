//! May they: a project's model lists, and limits on requests, tokens and concurrent calls.
//!
//! A call that may pass gets a [`Permit`], one that may not a [`Refusal`] that names the rule, its
//! scope and what would make the call pass.
//!
//! May know: who is calling, and the limits and model lists of the store's snapshot. Must never
//! do: SQL of its own, HTTP, or anything that waits while a call is decided.

pub mod limiter;
pub mod limits;
pub mod models;
pub mod refusal;

pub use limiter::{
    Allowance, Estimate, Limiter, Permit, RateLimitHeaders, Rules, Subject, duration_text,
};
pub use limits::LimitError;
pub use models::ModelLists;
pub use refusal::{LimitReached, Refusal, TooLarge};
