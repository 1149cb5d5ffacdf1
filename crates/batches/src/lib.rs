//! Batches: durable jobs of many calls, which survive restarts and are spread over nodes.
//!
//! ```text
//! create -> check (one node) -> answer (every node, slice by slice) -> finalise (one node)
//! ```
//!
//! The database is the queue. A node leases what it works on and renews the lease while it lives;
//! what a dead node held is another's when the lease is over. An answer is taken only from the node
//! that has the line's slice, and only the first one to a line.
//!
//! May know: the life of a call, responses, files, the store. Must never do: answer a line twice,
//! speak HTTP as a server, or call a provider past the gateway.

mod answer;
mod batches;
mod check;
mod config;
mod create;
mod endpoint;
mod error;
mod finalize;
mod job;
mod line;
mod pace;
mod slices;
mod work;

pub use batches::{Batches, Parts};
pub use config::BatchesConfig;
pub use create::Wanted;
pub use endpoint::Endpoint;
pub use error::BatchError;
