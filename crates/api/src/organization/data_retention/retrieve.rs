//! `GET /v1/organization/data_retention`

use axum::Json;
use axum::extract::State;
use retention::settings;

use super::DataRetention;
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::problem::Problem;

/// Retrieve how long the organization's content is kept.
#[utoipa::path(
    get,
    path = "/v1/organization/data_retention",
    operation_id = "retrieveOrganizationDataRetention",
    tag = "Administration",
    responses(
        (status = 200, description = "What is set.", body = DataRetention),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn retrieve(
    State(app): State<App>,
    admin: Admin,
) -> Result<Json<DataRetention>, Problem> {
    Ok(Json(settings::get(&app.store, &admin.scope).await?.into()))
}
