//! `GET /v1/organization/providers`

use axum::Json;
use axum::extract::State;

use super::Provider;
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::list::{List, PageParams};
use crate::organization::query::Query;
use crate::problem::Problem;

/// List the providers, wherever they are written down. Kijun's own.
#[utoipa::path(
    get,
    path = "/v1/organization/providers",
    operation_id = "listProviders",
    tag = "Administration",
    params(
        PageParams,
    ),
    responses(
        (status = 200, description = "A page of providers.", body = List<Provider>),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    _admin: Admin,
    mut query: Query,
) -> Result<Json<List<Provider>>, Problem> {
    let page = query.page()?;
    query.finish()?;
    let all = app.gateway.provider_list().await?.into_iter().map(Provider::from).collect();
    Ok(Json(List::cut(all, &page)?))
}
