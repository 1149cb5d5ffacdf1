//! `/v1/models`

pub(super) mod list;
pub(super) mod retrieve;

use gateway::route::Alias;
use serde::Serialize;
use utoipa::ToSchema;

/// A model, in OpenAI's shape.
#[derive(Serialize, ToSchema)]
pub(crate) struct Model {
    /// The name to call it by.
    id: String,
    /// Always `model`.
    object: &'static str,
    /// When it was made, in seconds since the Unix epoch; 0 where nobody knows.
    created: i64,
    /// Who owns it.
    owned_by: String,
}

impl From<&Alias> for Model {
    fn from(alias: &Alias) -> Self {
        Self {
            id: alias.name.to_string(),
            object: "model",
            created: alias.created,
            owned_by: alias.owned_by.to_string(),
        }
    }
}
