//! `GET /v1/batches`

use axum::Json;
use axum::extract::State;

use super::Batch;
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::list::{List, PageParams};
use crate::organization::query::Query;
use crate::problem::Problem;
use crate::v1::caller::Caller;

/// List the project's batches, the newest first.
#[utoipa::path(
    get,
    path = "/v1/batches",
    operation_id = "listBatches",
    tag = "Batches",
    params(PageParams),
    responses(
        (status = 200, description = "A page of batches.", body = List<Batch>),
        (status = "4XX", description = "What is wrong with the request, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    mut query: Query,
) -> Result<Json<List<Batch>>, Problem> {
    let page = query.page()?;
    query.finish()?;
    let batches = app.batches.list(&caller.scope(), &page).await?;
    Ok(Json(List::of(batches, Batch::from)))
}
