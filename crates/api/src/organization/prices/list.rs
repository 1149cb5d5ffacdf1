//! `GET /v1/organization/prices`

use axum::Json;
use axum::extract::State;

use super::Price;
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::list::{List, PageParams};
use crate::organization::query::Query;
use crate::problem::Problem;

/// List the prices that were added live, the earliest in force first. Kijun's own.
#[utoipa::path(
    get,
    path = "/v1/organization/prices",
    operation_id = "listPrices",
    tag = "Administration",
    params(
        PageParams,
    ),
    responses(
        (status = 200, description = "A page of prices.", body = List<Price>),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    _admin: Admin,
    mut query: Query,
) -> Result<Json<List<Price>>, Problem> {
    let page = query.page()?;
    query.finish()?;
    let all: Result<_, _> = app.gateway.price_list().await?.into_iter().map(Price::new).collect();
    Ok(Json(List::cut(all?, &page)?))
}
