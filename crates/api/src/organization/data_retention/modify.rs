//! `POST /v1/organization/data_retention`

use axum::Json;
use axum::extract::State;
use retention::settings;

use super::{DataRetention, DataRetentionChange};
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::sent::Sent;
use crate::problem::Problem;

/// Say how long the organization's content is kept. What is past its time then is deleted at once.
#[utoipa::path(
    post,
    path = "/v1/organization/data_retention",
    operation_id = "updateOrganizationDataRetention",
    tag = "Administration",
    request_body = DataRetentionChange,
    responses(
        (status = 200, description = "What is set.", body = DataRetention),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn modify(
    State(app): State<App>,
    admin: Admin,
    Sent(change): Sent<DataRetentionChange>,
) -> Result<Json<DataRetention>, Problem> {
    let (kind, days) = (change.retention_type.into(), change.retention_days);
    let shown = settings::put(&app.store.by(&admin.actor), &admin.scope, kind, days).await?;
    app.gateway.see_change().await;
    Ok(Json(shown.into()))
}
