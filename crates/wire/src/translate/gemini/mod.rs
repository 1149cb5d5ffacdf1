//! Google's Gemini API, `generateContent` and `streamGenerateContent?alt=sse`.
//!
//! Where the two differ in kind, this is what becomes of it:
//! - System and developer messages, wherever they stand, become the one `systemInstruction`.
//! - Tool results name their function, so each is matched with its call by id. Calls that Gemini
//!   gave no id get one of ours, `call_…`, which stays on this side.
//! - Thought signatures travel on the tool call they came with (`extra_content.google`) and in
//!   `reasoning_details`; either brings them back.
//! - Reasoning becomes `thinkingConfig`, by budget or by level as the model's generation has it.
//! - `top_k` joins the `generationConfig`; a `generationConfig` of the client's own goes before what
//!   is translated.
//! - `parallel_tool_calls`, end users, the `name` of a message and the `detail` of an image have no
//!   counterpart and are dropped.

mod error;
mod request;
mod response;
mod stream;
mod thinking;

pub use error::error;
pub use request::request;
pub use response::response;
pub use stream::stream;

/// Marks the reasoning that is Gemini's, in the words of other gateways.
const FORMAT: &str = "google-gemini-v1";

/// What the ids of calls begin with that Gemini gave none.
const OWN_CALL_ID: &str = "call_";
