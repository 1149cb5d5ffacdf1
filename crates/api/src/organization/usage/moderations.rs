//! `GET /v1/organization/usage/moderations`

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

/// What moderations used in one bucket and group.
#[derive(Serialize, ToSchema)]
pub(crate) struct ModerationsUsage {
    /// Always `organization.usage.moderations.result`.
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

/// What moderations used.
#[utoipa::path(
    get,
    path = "/v1/organization/usage/moderations",
    operation_id = "usageModerations",
    tag = "Administration",
    params(
        UsageParams,
    ),
    responses(
        (status = 200, description = "A page of buckets.", body = UsageBuckets<ModerationsUsage>),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn moderations(
    State(app): State<App>,
    admin: Admin,
    mut query: Query,
) -> Result<Json<UsageBuckets<ModerationsUsage>>, Problem> {
    let question = read(&mut query, vec![Operation::Moderations], &GROUPS)?;
    query.finish()?;
    let page = ask(&app, &admin.scope, &question).await?;
    Ok(Json(UsageBuckets::new(page, ModerationsUsage::from)))
}

impl From<UsageRow> for ModerationsUsage {
    fn from(row: UsageRow) -> Self {
        Self {
            object: "organization.usage.moderations.result",
            input_tokens: row.input,
            num_model_requests: row.requests,
            group: UsageGroup::from(&row),
            extras: UsageExtras::from(&row),
        }
    }
}
