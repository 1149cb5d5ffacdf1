//! `GET /v1/organization/notices`

use axum::Json;
use axum::extract::State;
use store::{ItemPage, Page};

use super::Notice;
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::list::{List, PageParams};
use crate::organization::query::Query;
use crate::problem::Problem;

/// List what was told and is to be told, the newest first. Kijun's own.
#[utoipa::path(
    get,
    path = "/v1/organization/notices",
    operation_id = "listNotices",
    tag = "Administration",
    params(
        PageParams,
    ),
    responses(
        (status = 200, description = "A page of notices.", body = List<Notice>),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    admin: Admin,
    mut query: Query,
) -> Result<Json<List<Notice>>, Problem> {
    let Page { after, limit, .. } = query.page()?;
    query.finish()?;
    let page = ItemPage { after, limit, descending: true };
    let notices = app.store.notice_list(&admin.scope, &page).await?;
    Ok(Json(List::of(notices, Notice::from)))
}
