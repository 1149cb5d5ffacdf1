//! The life of a call, one file per phase:
//!
//! ```text
//! arrive -> identify -> admit -> route -> call -> settle
//! ```
//!
//! One value moves through states whose constructors are private to their phase, so a provider
//! cannot be handed a call that was not admitted, and no admitted call ends without its record.
//! The hot path reads an in-memory [`snapshot`] and touches no database; records go to the local
//! [`journal`].
//!
//! May know: the domain crates below it. Must never do: SQL, HTTP as a server, content in logs.

mod administer;
pub mod admit;
pub mod arrive;
mod breaker;
pub mod call;
pub mod catalog;
pub mod discovery;
pub mod idempotency;
pub mod identify;
pub mod journal;
mod latency;
pub mod price;
mod queue;
pub mod refresh;
pub mod refusal;
pub mod retry;
pub mod room;
pub mod route;
pub mod settle;
pub mod snapshot;
pub mod spine;
pub mod stream;
pub mod target;
mod tier;
pub mod tokenizer;
pub mod watch;

pub use admission::SharedState;
pub use arrive::Inbound;
pub use identify::{Identified, Owner};
pub use queue::QueueConfig;
pub use refusal::Refusal;
pub use spine::{Gateway, GatewayConfig, Reply, ReplyBody};
pub use watch::Watch;
