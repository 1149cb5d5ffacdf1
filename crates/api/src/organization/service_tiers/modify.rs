//! `POST /v1/organization/projects/{project_id}/service_tiers`

use axum::Json;
use axum::extract::State;
use store::ProjectService;

use super::{ServiceTiers, ServiceTiersToSet};
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::sent::Sent;
use crate::problem::Problem;

/// Say which service tiers a project's calls may have; it holds at once. Kijun's own.
#[utoipa::path(
    post,
    path = "/v1/organization/projects/{project_id}/service_tiers",
    operation_id = "updateProjectServiceTiers",
    tag = "Administration",
    params(
        ("project_id" = String, Path, description = "The project's id."),
    ),
    request_body = ServiceTiersToSet,
    responses(
        (status = 200, description = "The tiers.", body = ServiceTiers),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn modify(
    State(app): State<App>,
    admin: Admin,
    Ids(project): Ids<String>,
    Sent(wish): Sent<ServiceTiersToSet>,
) -> Result<Json<ServiceTiers>, Problem> {
    let service = ProjectService {
        default_tier: wish.default_tier.into(),
        tiers: wish.tiers.into_iter().map(Into::into).collect(),
    };
    let (store, id) = (app.store.by(&admin.actor), project.as_str().into());
    store.project_service_put(&admin.scope, &id, &service).await?;
    app.gateway.see_change().await;
    Ok(Json(store.project_service_get(&admin.within(&project)).await?.into()))
}
