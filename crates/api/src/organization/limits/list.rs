//! `GET /v1/organization/limits`

use axum::Json;
use axum::extract::State;

use super::UsageLimit;
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::list::{List, PageParams};
use crate::organization::query::Query;
use crate::problem::Problem;

/// List the limits that hold, those of the configuration file first. Kijun's own.
#[utoipa::path(
    get,
    path = "/v1/organization/limits",
    operation_id = "listLimits",
    tag = "Administration",
    params(
        PageParams,
    ),
    responses(
        (status = 200, description = "A page of limits.", body = List<UsageLimit>),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    admin: Admin,
    mut query: Query,
) -> Result<Json<List<UsageLimit>>, Problem> {
    let page = query.page()?;
    query.finish()?;
    let made = app.store.limit_list(&admin.scope).await?;
    let file = app.gateway.file_limits().iter().cloned();
    let file = file.map(|limit| UsageLimit::new(limit, "file"));
    let made = made.into_iter().map(|limit| UsageLimit::new(limit, "database"));
    Ok(Json(List::cut(file.chain(made).collect(), &page)?))
}
