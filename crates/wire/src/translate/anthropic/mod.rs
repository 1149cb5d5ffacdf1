//! Anthropic's Messages API, version 2023-06-01.
//!
//! Where the two differ in kind, this is what becomes of it:
//! - System and developer messages, wherever they stand, become the one `system`.
//! - `temperature` above 1 counts as 1, Anthropic's highest; to scale it would change what every
//!   other value means. Beside thinking it is dropped, with `top_p`: Anthropic takes neither there.
//! - `seed` and the two penalties have no counterpart and are dropped; so is the `name` of a
//!   message and the `detail` of an image.
//! - Reasoning becomes `thinking`, by budget or by effort as the model's generation has it. Thinking
//!   cannot be combined with a forced tool; the tool wins. Models that think by budget stop
//!   thinking when a client hands tool results back without the thoughts before the calls.
//! - `json_schema` becomes `output_config.format`. `json_object` becomes an instruction, because
//!   Anthropic's structured outputs need a schema that names every property.
//! - `n` above 1, `logprobs` and sound are refused.

mod content;
mod error;
mod request;
mod response;
mod stream;
mod thinking;

pub use error::error;
pub use request::request;
pub use response::response;
pub use stream::stream;

/// Marks the reasoning that is Anthropic's, in the words of other gateways.
const FORMAT: &str = "anthropic-claude-v1";
