//! The Responses API: one response from its request to its last event, on any upstream, with the
//! state that it leaves behind.
//!
//! ```text
//! create -> context -> run (open, read, conclude) -> keep
//! ```
//!
//! A [`run`](run::Run) is the same for a whole answer, a stream, a background response and a turn
//! on a WebSocket; they differ in who drives it and where its events go.
//!
//! May know: the life of a call (`gateway`), the store, files. Must never do: speak HTTP as a
//! server, call a provider past the gateway, or keep content that was not to be kept.

mod asked;
mod background;
pub mod chats;
mod compact;
mod context;
pub mod conversations;
mod create;
mod engine;
mod events;
mod input;
mod keep;
mod keeping;
mod live;
mod making;
mod opaque;
mod refused;
mod repair;
mod run;
mod shorten;
mod socket;
mod state;
mod stored;
pub mod traces;
mod upstream;
mod validate;

pub use asked::{Asked, Created, CreatedBody};
pub use engine::{Parts, Responses, ResponsesConfig};
pub use events::EventBody;
pub use input::ItemPage;
pub use refused::Refused;
pub use socket::{Connection, Frame, Lane, Memory, Turn};
