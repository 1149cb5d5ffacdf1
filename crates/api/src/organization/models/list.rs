//! `GET /v1/organization/models`

use axum::Json;
use axum::extract::State;

use super::ModelAlias;
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::list::{List, PageParams};
use crate::organization::query::Query;
use crate::problem::Problem;

/// List the models that are written down; those that providers list themselves are at `/v1/models`. Kijun's own.
#[utoipa::path(
    get,
    path = "/v1/organization/models",
    operation_id = "listModelAliases",
    tag = "Administration",
    params(
        PageParams,
    ),
    responses(
        (status = 200, description = "A page of models.", body = List<ModelAlias>),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    _admin: Admin,
    mut query: Query,
) -> Result<Json<List<ModelAlias>>, Problem> {
    let page = query.page()?;
    query.finish()?;
    let all = app.gateway.model_list().await?.into_iter().map(ModelAlias::from).collect();
    Ok(Json(List::cut(all, &page)?))
}
