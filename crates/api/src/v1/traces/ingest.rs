//! `POST /v1/traces/ingest`

use axum::extract::State;
use http::StatusCode;
use serde_json::Value;
use utoipa::ToSchema;

use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::problem::Problem;
use crate::v1::caller::Caller;
use crate::v1::sent::Sent;

/// What an agent exports of its runs.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what responses reads")]
pub(crate) struct TraceExport {
    /// Traces (`"object": "trace"`) and spans of traces (`"object": "trace.span"`), in any order.
    data: Vec<Value>,
}

/// Take in traces, as OpenAI's Agents SDK exports them.
#[utoipa::path(
    post,
    path = "/v1/traces/ingest",
    operation_id = "ingestTraces",
    tag = "Traces",
    request_body = TraceExport,
    responses(
        (status = 204, description = "All of them are kept."),
        (status = "4XX", description = "Which of them is wrong, and how to mend it; none is kept.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn ingest(
    State(app): State<App>,
    Caller(caller): Caller,
    Sent(body): Sent,
) -> Result<StatusCode, Problem> {
    app.traces.ingest(&caller, &body).await?;
    Ok(StatusCode::NO_CONTENT)
}
