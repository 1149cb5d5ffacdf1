//! `POST /v1/organization/service_levels/{tier}`

use axum::Json;
use axum::extract::State;

use super::{Objective, ServiceLevel, standing, tier};
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::sent::Sent;
use crate::problem::Problem;

/// Say what is promised for the calls of a service tier, from now on. Kijun's own.
#[utoipa::path(
    post,
    path = "/v1/organization/service_levels/{tier}",
    operation_id = "putServiceObjective",
    tag = "Administration",
    params(
        ("tier" = String, Path, description = "`priority`, `default` or `flex`."),
    ),
    request_body = Objective,
    responses(
        (status = 200, description = "The tier.", body = ServiceLevel),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn put(
    State(app): State<App>,
    admin: Admin,
    Ids(name): Ids<String>,
    Sent(objective): Sent<Objective>,
) -> Result<Json<ServiceLevel>, Problem> {
    let (tier, store) = (tier(&name)?, app.store.by(&admin.actor));
    store.service_objective_put(&admin.scope, tier, objective.into()).await?;
    app.gateway.see_change().await;
    Ok(Json(standing(&app, &admin.scope, tier).await?))
}
