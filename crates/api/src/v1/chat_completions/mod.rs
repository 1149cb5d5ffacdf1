//! `/v1/chat/completions`

pub(super) mod create;
mod schema;
