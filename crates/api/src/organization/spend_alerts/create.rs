//! `POST /v1/organization/spend_alerts`, and of a project.

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

/// Create a spend alert of the organization.
#[utoipa::path(
    post,
    path = "/v1/organization/spend_alerts",
    operation_id = "createOrganizationSpendAlert",
    tag = "Administration",
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
    Sent(wish): Sent<SpendAlertToSet>,
) -> Result<Json<SpendAlert>, Problem> {
    create(&app, &admin, &admin.scope, wish).await
}

/// Create a spend alert of a project.
#[utoipa::path(
    post,
    path = "/v1/organization/projects/{project_id}/spend_alerts",
    operation_id = "createProjectSpendAlert",
    tag = "Administration",
    params(
        ("project_id" = String, Path, description = "The project's id."),
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
    Ids(id): Ids<String>,
    Sent(wish): Sent<SpendAlertToSet>,
) -> Result<Json<SpendAlert>, Problem> {
    create(&app, &admin, &project(&app, &admin, &id).await?, wish).await
}

async fn create(
    app: &App,
    admin: &Admin,
    scope: &Scope,
    wish: SpendAlertToSet,
) -> Result<Json<SpendAlert>, Problem> {
    let (store, threshold) = (app.store.by(&admin.actor), wish.threshold()?);
    let channel = wish.notification_channel.into();
    Ok(Json(store.spend_alert_create(scope, threshold, channel).await?.into()))
}
