//! `GET /v1/organization/projects/{project_id}/service_tiers`

use axum::Json;
use axum::extract::State;

use super::ServiceTiers;
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::problem::Problem;

/// Which service tiers a project's calls may have. Kijun's own.
#[utoipa::path(
    get,
    path = "/v1/organization/projects/{project_id}/service_tiers",
    operation_id = "retrieveProjectServiceTiers",
    tag = "Administration",
    params(
        ("project_id" = String, Path, description = "The project's id."),
    ),
    responses(
        (status = 200, description = "The tiers.", body = ServiceTiers),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn retrieve(
    State(app): State<App>,
    admin: Admin,
    Ids(project): Ids<String>,
) -> Result<Json<ServiceTiers>, Problem> {
    let project = app.administration.project_get(&admin.scope, &project.into()).await?.id;
    let service = app.store.project_service_get(&admin.within(project.as_str())).await?;
    Ok(Json(service.into()))
}
