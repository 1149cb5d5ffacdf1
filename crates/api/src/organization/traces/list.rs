//! `GET /v1/organization/traces`

use axum::Json;
use axum::extract::State;

use super::Trace;
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::list::{List, PageParams};
use crate::organization::query::Query;
use crate::problem::Problem;

/// List a project's traces, the newest first, without their spans. Kijun's own.
#[utoipa::path(
    get,
    path = "/v1/organization/traces",
    operation_id = "listTraces",
    tag = "Administration",
    params(
        ("project_id" = String, Query, description = "The project."),
        PageParams,
    ),
    responses(
        (status = 200, description = "A page of traces.", body = List<Trace>),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    admin: Admin,
    mut query: Query,
) -> Result<Json<List<Trace>>, Problem> {
    let scope = super::project(&admin, &mut query)?;
    let page = query.page()?;
    query.finish()?;
    let (traces, has_more) = app.traces.list(&scope, &page).await?;
    Ok(Json(List::new(traces.into_iter().map(Trace).collect(), has_more)))
}
