//! `GET /v1/organization/service_levels/{tier}`

use axum::Json;
use axum::extract::State;

use super::{ServiceLevel, standing, tier};
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::problem::Problem;

/// How one service tier is served. Kijun's own.
#[utoipa::path(
    get,
    path = "/v1/organization/service_levels/{tier}",
    operation_id = "retrieveServiceLevel",
    tag = "Administration",
    params(
        ("tier" = String, Path, description = "`priority`, `default` or `flex`."),
    ),
    responses(
        (status = 200, description = "The tier.", body = ServiceLevel),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn retrieve(
    State(app): State<App>,
    admin: Admin,
    Ids(name): Ids<String>,
) -> Result<Json<ServiceLevel>, Problem> {
    Ok(Json(standing(&app, &admin.scope, tier(&name)?).await?))
}
