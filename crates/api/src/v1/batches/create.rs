//! `POST /v1/batches`

use axum::Json;
use axum::extract::State;
use batches::Wanted;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::Batch;
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::sent::Sent;
use crate::problem::Problem;
use crate::v1::caller::Caller;
use crate::v1::files::{Anchor, ExpiresAfter};

/// A batch to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BatchRequest {
    /// A file of the purpose `batch`: on every line `custom_id`, `method`, `url` and `body`.
    input_file_id: String,
    /// The path that all its lines go to: `/v1/responses`, `/v1/chat/completions`, `/v1/completions`, `/v1/embeddings` or `/v1/moderations`.
    endpoint: String,
    /// The time it may take: `24h`.
    completion_window: String,
    /// Up to 16 pairs of your own.
    #[serde(default)]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    metadata: Option<Map<String, Value>>,
    /// When its own files go. They never live longer than the project's data retention allows.
    output_expires_after: Option<ExpiresAfter>,
}

/// Make a batch. It begins at once.
#[utoipa::path(
    post,
    path = "/v1/batches",
    operation_id = "createBatch",
    tag = "Batches",
    request_body = BatchRequest,
    responses(
        (status = 200, description = "The batch.", body = Batch),
        (status = "4XX", description = "What is wrong with the request, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    Caller(caller): Caller,
    Sent(asked): Sent<BatchRequest>,
) -> Result<Json<Batch>, Problem> {
    let wanted = Wanted {
        input_file: asked.input_file_id.into(),
        endpoint: asked.endpoint,
        completion_window: asked.completion_window,
        metadata: asked.metadata,
        output_lifetime_secs: asked
            .output_expires_after
            .map(|ExpiresAfter { anchor: Anchor::CreatedAt, seconds }| seconds),
    };
    Ok(Json(app.batches.create(&caller, wanted).await?.into()))
}
