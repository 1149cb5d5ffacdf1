//! `GET /v1/organization/budgets`

use axum::Json;
use axum::extract::State;

use super::{Budget, standing};
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::list::{List, PageParams};
use crate::organization::query::Query;
use crate::problem::Problem;

/// List the budgets, each with how it stands. Kijun's own.
#[utoipa::path(
    get,
    path = "/v1/organization/budgets",
    operation_id = "listBudgets",
    tag = "Administration",
    params(
        PageParams,
    ),
    responses(
        (status = 200, description = "A page of budgets.", body = List<Budget>),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    admin: Admin,
    mut query: Query,
) -> Result<Json<List<Budget>>, Problem> {
    let page = query.page()?;
    query.finish()?;
    let rows = app.store.budget_list(&admin.scope).await?;
    Ok(Json(List::cut(standing(&app, &admin.scope, rows).await?, &page)?))
}
