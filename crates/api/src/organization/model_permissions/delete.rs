//! `DELETE /v1/organization/projects/{project_id}/model_permissions`

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use store::ModelPermission;
use utoipa::ToSchema;

use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::problem::Problem;

/// The list is gone.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeletedModelPermissions {
    /// Always `project.model_permissions.deleted`.
    object: &'static str,
    /// Always true.
    deleted: bool,
}

/// Let a project use all models again.
#[utoipa::path(
    delete,
    path = "/v1/organization/projects/{project_id}/model_permissions",
    operation_id = "deleteProjectModelPermissions",
    tag = "Administration",
    params(
        ("project_id" = String, Path, description = "The project's id."),
    ),
    responses(
        (status = 200, description = "The list is gone.", body = DeletedModelPermissions),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn delete(
    State(app): State<App>,
    admin: Admin,
    Ids(project): Ids<String>,
) -> Result<Json<DeletedModelPermissions>, Problem> {
    let (rules, all) = (app.administration.by(&admin.actor), ModelPermission::all());
    rules.project_models_set(&admin.scope, &project.into(), all).await?;
    app.gateway.see_change().await;
    let object = "project.model_permissions.deleted";
    Ok(Json(DeletedModelPermissions { object, deleted: true }))
}
