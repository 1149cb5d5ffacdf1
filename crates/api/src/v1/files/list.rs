//! `GET /v1/files`

use axum::Json;
use axum::extract::State;
use store::{FilePurpose, ItemPage};

use super::File;
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::list::List;
use crate::organization::query::Query;
use crate::problem::Problem;
use crate::v1::caller::Caller;

/// Files in a page at most, and where nothing is said.
const MOST: u32 = 10_000;

/// List the project's files, the newest first.
#[utoipa::path(
    get,
    path = "/v1/files",
    operation_id = "listFiles",
    tag = "Files",
    params(
        ("purpose" = Option<String>, Query, description = "Files of this purpose.", nullable = false),
        ("limit" = Option<u32>, Query, description = "How many at most: 10000 where nothing is said.", nullable = false, minimum = 1, maximum = 10000),
        ("order" = Option<String>, Query, description = "`desc`, the newest first, or `asc`.", nullable = false),
        ("after" = Option<String>, Query, description = "The id of the last file of the page before.", nullable = false),
    ),
    responses(
        (status = 200, description = "A page of files.", body = List<File>),
        (status = "4XX", description = "What is wrong with the request, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    mut query: Query,
) -> Result<Json<List<File>>, Problem> {
    let purpose = query.word("purpose", &FilePurpose::ALL.map(|one| (one.as_str(), one)))?;
    let limit = query.number("limit", 1..=i64::from(MOST))?;
    let page = ItemPage {
        after: query.text("after")?,
        limit: limit.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(MOST),
        descending: query.word("order", &[("asc", false), ("desc", true)])?.unwrap_or(true),
    };
    query.finish()?;
    let files = app.files.list(&caller.scope(), purpose, &page).await?;
    Ok(Json(List::of(files, File::from)))
}
