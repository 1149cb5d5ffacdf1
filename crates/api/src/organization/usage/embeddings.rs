//! `GET /v1/organization/usage/embeddings`

use axum::Json;
use axum::extract::State;
use kernel::Operation;
use serde::Serialize;
use store::UsageRow;
use utoipa::ToSchema;

use super::ask::{GROUPS, UsageParams, ask, read};
use super::{UsageBuckets, UsageExtras, UsageGroup};
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::query::Query;
use crate::problem::Problem;

/// What embeddings used in one bucket and group.
#[derive(Serialize, ToSchema)]
pub(crate) struct EmbeddingsUsage {
    /// Always `organization.usage.embeddings.result`.
    object: &'static str,
    /// All input tokens.
    input_tokens: u64,
    /// Requests to the model.
    num_model_requests: u64,
    #[serde(flatten)]
    group: UsageGroup,
    #[serde(flatten)]
    extras: UsageExtras,
}

/// What embeddings used.
#[utoipa::path(
    get,
    path = "/v1/organization/usage/embeddings",
    operation_id = "usageEmbeddings",
    tag = "Administration",
    params(
        UsageParams,
    ),
    responses(
        (status = 200, description = "A page of buckets.", body = UsageBuckets<EmbeddingsUsage>),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn embeddings(
    State(app): State<App>,
    admin: Admin,
    mut query: Query,
) -> Result<Json<UsageBuckets<EmbeddingsUsage>>, Problem> {
    let question = read(&mut query, vec![Operation::Embeddings], &GROUPS)?;
    query.finish()?;
    let page = ask(&app, &admin.scope, &question).await?;
    Ok(Json(UsageBuckets::new(page, EmbeddingsUsage::from)))
}

impl From<UsageRow> for EmbeddingsUsage {
    fn from(row: UsageRow) -> Self {
        Self {
            object: "organization.usage.embeddings.result",
            input_tokens: row.input,
            num_model_requests: row.requests,
            group: UsageGroup::from(&row),
            extras: UsageExtras::from(&row),
        }
    }
}
