//! `/v1/chat/completions`

pub(super) mod create;
pub(super) mod delete;
pub(super) mod list;
pub(super) mod messages;
pub(super) mod retrieve;
mod schema;
pub(super) mod update;
