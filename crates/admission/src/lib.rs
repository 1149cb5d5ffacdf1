//! May they: a project's model lists, limits on requests, tokens and concurrent calls, and budgets.
//!
//! A call that may pass gets a [`Permit`], one that may not a [`Refusal`] that names the rule, its
//! scope and what would make the call pass.
//!
//! May know: who is calling, and the limits and model lists of the store's snapshot. Must never
//! do: SQL of its own, HTTP, or let a call wait for the counters that nodes share longer than it was
//! told to.

pub mod budgets;
pub mod limiter;
pub mod limits;
pub mod models;
pub mod refusal;
pub mod shared;
pub mod spending;

pub use limiter::{
    Allowance, Estimate, Limiter, Permit, RateLimitHeaders, Rules, SharedState, Sharing,
    SharingConfig, Subject, duration_text,
};
pub use limits::LimitError;
pub use models::ModelLists;
pub use refusal::{LimitReached, Refusal, TooLarge};
pub use shared::{Shared, SharedError, SharedSecret};
pub use spending::{
    Bank, BankAnswer, BudgetReached, Budgets, Reservation, Shortfall, Spending, SpendingConfig,
    StoreBank,
};
