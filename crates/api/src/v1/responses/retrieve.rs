//! `GET /v1/responses/{response_id}`

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;

use super::{document, stream};
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::query::Query;
use crate::problem::Problem;
use crate::v1::caller::Caller;

/// Retrieve a response, or follow the events of one that was begun as a background stream.
#[utoipa::path(
    get,
    path = "/v1/responses/{response_id}",
    operation_id = "getResponse",
    tag = "Responses",
    params(
        ("response_id" = String, Path, description = "The response's id."),
        ("stream" = Option<bool>, Query, description = "Its events instead of the response."),
        ("starting_after" = Option<u64>, Query, description = "Only events with a higher sequence number."),
        ("include" = Option<Vec<String>>, Query, description = "Taken; everything there is is included."),
        ("include_obfuscation" = Option<bool>, Query, description = "Taken; events are not padded."),
    ),
    responses(
        (status = 200, description = "The response, or its events.", body = Object),
        (status = "4XX", description = "What is wrong with the request, and how to mend it.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn retrieve(
    State(app): State<App>,
    Caller(caller): Caller,
    Ids(id): Ids<String>,
    mut query: Query,
) -> Result<Response, Problem> {
    let follows = query.flag("stream")?.unwrap_or(false);
    let after = query.number("starting_after", 0..=i64::MAX)?;
    query.list("include");
    query.flag("include_obfuscation")?;
    query.finish()?;
    if !follows {
        return Ok(document(app.responses.retrieve(&caller, &id).await?));
    }
    let after = after.and_then(|after| u64::try_from(after).ok());
    Ok(stream(Body::new(app.responses.follow(&caller, &id, after).await?)))
}
