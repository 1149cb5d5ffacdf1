//! `POST /v1/organization/projects/{project_id}/data_retention`

use axum::Json;
use axum::extract::State;
use retention::settings;

use super::{ProjectDataRetention, scope_of};
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::data_retention::DataRetentionChange;
use crate::organization::sent::Sent;
use crate::problem::Problem;

/// Say how long a project's content is kept. What is past its time then is deleted at once.
#[utoipa::path(
    post,
    path = "/v1/organization/projects/{project_id}/data_retention",
    operation_id = "updateProjectDataRetention",
    tag = "Administration",
    params(
        ("project_id" = String, Path, description = "The project's id."),
    ),
    request_body = DataRetentionChange,
    responses(
        (status = 200, description = "What is set.", body = ProjectDataRetention),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn modify(
    State(app): State<App>,
    admin: Admin,
    Ids(project): Ids<String>,
    Sent(change): Sent<DataRetentionChange>,
) -> Result<Json<ProjectDataRetention>, Problem> {
    let (kind, days) = (change.retention_type.into(), change.retention_days);
    let shown =
        settings::put(&app.store.by(&admin.actor), &scope_of(admin, project), kind, days).await?;
    app.gateway.see_change().await;
    Ok(Json(shown.into()))
}
