//! The Responses API: its requests as upstreams of every kind read them, and the answers of those
//! as its clients expect them.

mod chat;
mod echo;
mod event;
mod files;
mod item;
mod lint;
mod native;
mod request;
mod response;
mod settings;
mod synthesis;
mod tools;

pub use chat::chat_request;
pub use event::{Event, error_event, socket_error};
pub use files::{file_ids, inline_file};
pub use item::{PRIVATE, normalise, with_ids};
pub use native::native_request;
pub use request::CreateRequest;
pub use synthesis::{Ending, NewId, Opening, Seal, Source, Synthesis};
pub use tools::ToolNames;
