//! The answer to a deletion.

use serde::Serialize;
use utoipa::ToSchema;

/// What was deleted.
#[derive(Serialize, ToSchema)]
pub(crate) struct Deleted {
    /// The id or name that it had.
    id: String,
    /// What it was, with `.deleted` behind it.
    object: &'static str,
    /// Always true.
    deleted: bool,
}

impl Deleted {
    /// This one was deleted.
    pub(crate) fn new(object: &'static str, id: impl Into<String>) -> Self {
        Self { id: id.into(), object, deleted: true }
    }
}
