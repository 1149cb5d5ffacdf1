//! `GET /v1/organization/webhooks`

use axum::Json;
use axum::extract::State;

use super::Webhook;
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::list::{List, PageParams};
use crate::organization::query::Query;
use crate::problem::Problem;

/// List the webhooks. Kijun's own.
#[utoipa::path(
    get,
    path = "/v1/organization/webhooks",
    operation_id = "listWebhooks",
    tag = "Administration",
    params(
        PageParams,
    ),
    responses(
        (status = 200, description = "A page of webhooks.", body = List<Webhook>),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    admin: Admin,
    mut query: Query,
) -> Result<Json<List<Webhook>>, Problem> {
    let page = query.page()?;
    query.finish()?;
    let webhooks = app.store.webhook_list(&admin.scope).await?;
    Ok(Json(List::cut(webhooks.into_iter().map(Webhook::from).collect(), &page)?))
}
