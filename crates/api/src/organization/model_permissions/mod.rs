//! `/v1/organization/projects/{project_id}/model_permissions`

pub(super) mod delete;
pub(super) mod modify;
pub(super) mod retrieve;

use serde::{Deserialize, Serialize};
use store::{ModelMode, ModelPermission};
use utoipa::ToSchema;

/// Which models a project's keys may call.
#[derive(Serialize, ToSchema)]
pub(crate) struct ModelPermissions {
    /// Always `project.model_permissions`.
    object: &'static str,
    /// How the list is meant.
    mode: ListMode,
    /// Models as `/v1/models` names them.
    model_ids: Vec<String>,
}

/// How a list of models is meant.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ListMode {
    /// Only these.
    AllowList,
    /// All but these.
    DenyList,
}

impl From<ModelPermission> for ModelPermissions {
    fn from(models: ModelPermission) -> Self {
        // Where nothing is written down, nothing is denied.
        let mode = match models.mode {
            ModelMode::Allow => ListMode::AllowList,
            ModelMode::Deny | ModelMode::All => ListMode::DenyList,
        };
        Self { object: "project.model_permissions", mode, model_ids: models.models }
    }
}
