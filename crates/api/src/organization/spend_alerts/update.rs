//! `POST /v1/organization/spend_alerts/{alert_id}`, and of a project.

use axum::Json;
use axum::extract::State;
use kernel::Scope;

use super::{SpendAlert, SpendAlertToSet, project};
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::sent::Sent;
use crate::problem::Problem;

/// Change a spend alert of the organization. It may be told again this month.
#[utoipa::path(
    post,
    path = "/v1/organization/spend_alerts/{alert_id}",
    operation_id = "updateOrganizationSpendAlert",
    tag = "Administration",
    params(
        ("alert_id" = String, Path, description = "The alert's id."),
    ),
    request_body = SpendAlertToSet,
    responses(
        (status = 200, description = "The alert.", body = SpendAlert),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn of_organization(
    State(app): State<App>,
    admin: Admin,
    Ids(alert): Ids<String>,
    Sent(wish): Sent<SpendAlertToSet>,
) -> Result<Json<SpendAlert>, Problem> {
    update(&app, &admin, &admin.scope, alert, wish).await
}

/// Change a spend alert of a project. It may be told again this month.
#[utoipa::path(
    post,
    path = "/v1/organization/projects/{project_id}/spend_alerts/{alert_id}",
    operation_id = "updateProjectSpendAlert",
    tag = "Administration",
    params(
        ("project_id" = String, Path, description = "The project's id."),
        ("alert_id" = String, Path, description = "The alert's id."),
    ),
    request_body = SpendAlertToSet,
    responses(
        (status = 200, description = "The alert.", body = SpendAlert),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn of_project(
    State(app): State<App>,
    admin: Admin,
    Ids((id, alert)): Ids<(String, String)>,
    Sent(wish): Sent<SpendAlertToSet>,
) -> Result<Json<SpendAlert>, Problem> {
    update(&app, &admin, &project(&app, &admin, &id).await?, alert, wish).await
}

async fn update(
    app: &App,
    admin: &Admin,
    scope: &Scope,
    alert: String,
    wish: SpendAlertToSet,
) -> Result<Json<SpendAlert>, Problem> {
    let (store, threshold) = (app.store.by(&admin.actor), wish.threshold()?);
    let channel = wish.notification_channel.into();
    let alert = store.spend_alert_update(scope, &alert.into(), threshold, &channel).await?;
    Ok(Json(alert.into()))
}
