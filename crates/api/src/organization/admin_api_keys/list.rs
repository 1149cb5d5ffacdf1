//! `GET /v1/organization/admin_api_keys`

use axum::Json;
use axum::extract::State;
use store::Page;
use utoipa::ToSchema;

use super::AdminApiKey;
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::list::{List, PageParams};
use crate::organization::query::Query;
use crate::problem::Problem;

/// Which comes first.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "it describes the words that are read")]
enum ListOrder {
    Asc,
    Desc,
}

/// List the admin keys that are not revoked.
#[utoipa::path(
    get,
    path = "/v1/organization/admin_api_keys",
    operation_id = "listAdminApiKeys",
    tag = "Administration",
    params(
        PageParams,
        ("order" = inline(Option<ListOrder>), Query, description = "`asc` (oldest first) or `desc`.", nullable = false),
    ),
    responses(
        (status = 200, description = "A page of admin keys.", body = List<AdminApiKey>),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    admin: Admin,
    mut query: Query,
) -> Result<Json<List<AdminApiKey>>, Problem> {
    let page = query.page()?;
    let newest_first = query.word("order", &[("asc", false), ("desc", true)])?.unwrap_or(false);
    query.finish()?;
    if !newest_first {
        let keys = app.administration.admin_key_list(&admin.scope, &page).await?;
        return Ok(Json(List::of(keys, AdminApiKey::from)));
    }
    let mut all = Vec::new();
    let mut from = Page::default();
    loop {
        let keys = app.administration.admin_key_list(&admin.scope, &from).await?;
        from.after = keys.data.last().map(|key| key.id.to_string());
        all.extend(keys.data.into_iter().map(AdminApiKey::from));
        if !keys.has_more {
            break;
        }
    }
    all.reverse();
    Ok(Json(List::cut(all, &page)?))
}
