//! `POST /v1/organization/projects/{project_id}/model_permissions`

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use store::{ModelMode, ModelPermission};
use utoipa::ToSchema;

use super::{ListMode, ModelPermissions};
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::sent::Sent;
use crate::problem::Problem;

/// Which models a project may use from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelPermissionsChange {
    /// How the list is meant.
    mode: ListMode,
    /// Models as `/v1/models` names them.
    model_ids: Vec<String>,
}

/// Say which models a project may use.
#[utoipa::path(
    post,
    path = "/v1/organization/projects/{project_id}/model_permissions",
    operation_id = "updateProjectModelPermissions",
    tag = "Administration",
    params(
        ("project_id" = String, Path, description = "The project's id."),
    ),
    request_body = ModelPermissionsChange,
    responses(
        (status = 200, description = "The list.", body = ModelPermissions),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn modify(
    State(app): State<App>,
    admin: Admin,
    Ids(project): Ids<String>,
    Sent(change): Sent<ModelPermissionsChange>,
) -> Result<Json<ModelPermissions>, Problem> {
    let mode = match change.mode {
        ListMode::AllowList => ModelMode::Allow,
        ListMode::DenyList => ModelMode::Deny,
    };
    let models = ModelPermission { mode, models: change.model_ids };
    let rules = app.administration.by(&admin.actor);
    let project = rules.project_models_set(&admin.scope, &project.into(), models).await?;
    app.gateway.see_change().await;
    Ok(Json(project.models.into()))
}
