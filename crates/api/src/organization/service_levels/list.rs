//! `GET /v1/organization/service_levels`

use axum::Json;
use axum::extract::State;
use kernel::ServiceTier;

use super::{ServiceLevel, standing};
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::list::List;
use crate::organization::query::Query;
use crate::problem::Problem;

/// How each service tier is served, the most urgent first. Kijun's own.
#[utoipa::path(
    get,
    path = "/v1/organization/service_levels",
    operation_id = "listServiceLevels",
    tag = "Administration",
    responses(
        (status = 200, description = "All tiers.", body = List<ServiceLevel>),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    admin: Admin,
    query: Query,
) -> Result<Json<List<ServiceLevel>>, Problem> {
    query.finish()?;
    let mut levels = Vec::new();
    for tier in ServiceTier::ALL {
        levels.push(standing(&app, &admin.scope, tier).await?);
    }
    Ok(Json(List::new(levels, false)))
}
