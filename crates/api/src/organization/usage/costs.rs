//! `GET /v1/organization/costs`

use axum::Json;
use axum::extract::State;
use kernel::Operation;
use serde::Serialize;
use store::{BucketWidth, GroupBy, UsageQuery, UsageRow};
use utoipa::{IntoParams, ToSchema};

use super::UsageBuckets;
use super::ask::{ask, start};
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::query::Query;
use crate::problem::Problem;

const GROUPS: [(&str, GroupBy); 3] = [
    ("project_id", GroupBy::Project),
    ("api_key_id", GroupBy::ApiKey),
    ("line_item", GroupBy::LineItem),
];

/// The most buckets of a page, as OpenAI has it.
const MOST_BUCKETS: u32 = 180;

/// Which costs, and how they are cut up.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes what `costs` reads")]
struct CostParams {
    /// Calls that arrived at this second since the Unix epoch or later.
    #[param(minimum = 0, maximum = 253_402_300_799_i64, example = 1_767_225_600)]
    start_time: i64,
    /// Calls that arrived before this second; without it, up to now.
    #[param(nullable = false, minimum = 0, maximum = 253_402_300_799_i64)]
    end_time: Option<i64>,
    /// How long a bucket is: always `1d`.
    #[param(nullable = false)]
    bucket_width: Option<String>,
    /// Calls of these projects.
    #[param(nullable = false)]
    project_ids: Option<Vec<String>>,
    /// Calls with these keys.
    #[param(nullable = false)]
    api_key_ids: Option<Vec<String>>,
    /// What results are apart by: `project_id`, `api_key_id`, `line_item`.
    #[param(nullable = false)]
    group_by: Option<Vec<String>>,
    /// How many buckets: 7 where nothing is said.
    #[param(nullable = false, minimum = 1, maximum = 180)]
    limit: Option<u32>,
    /// `next_page` of the page before.
    #[param(nullable = false)]
    page: Option<String>,
}

/// What calls cost in one bucket and group.
#[derive(Serialize, ToSchema)]
pub(crate) struct Costs {
    /// Always `organization.costs.result`.
    object: &'static str,
    /// How much.
    amount: Amount,
    /// The line item, where grouped by it: model and operation.
    #[schema(required)]
    line_item: Option<String>,
    /// The project, where grouped by it.
    #[schema(required)]
    project_id: Option<String>,
    /// The key, where grouped by it.
    #[schema(required)]
    api_key_id: Option<String>,
    /// Always null: a line item is of tokens of several kinds, which cost differently.
    #[schema(required)]
    quantity: Option<f64>,
    /// Always null.
    #[schema(required)]
    quantity_unit: Option<String>,
    /// How much, exactly, as a decimal number. Kijun's own field.
    amount_usd: String,
    /// Of the calls: those that have no price. Kijun's own field.
    num_unpriced_requests: u64,
}

/// An amount of money.
#[derive(Serialize, ToSchema)]
struct Amount {
    /// How much.
    value: f64,
    /// Always `usd`.
    currency: &'static str,
}

/// What calls cost, by days of UTC, by the price of each call's own day.
#[utoipa::path(
    get,
    path = "/v1/organization/costs",
    operation_id = "usageCosts",
    tag = "Administration",
    params(
        CostParams,
    ),
    responses(
        (status = 200, description = "A page of buckets.", body = UsageBuckets<Costs>),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn costs(
    State(app): State<App>,
    admin: Admin,
    mut query: Query,
) -> Result<Json<UsageBuckets<Costs>>, Problem> {
    let start = start(&mut query)?;
    let limit = query.number("limit", 1..=i64::from(MOST_BUCKETS))?;
    let question = UsageQuery {
        end: query.moment("end_time")?,
        bucket: query
            .word("bucket_width", &[("1d", BucketWidth::Day)])?
            .unwrap_or(BucketWidth::Day),
        project_ids: query.list("project_ids").into_iter().map(Into::into).collect(),
        api_key_ids: query.list("api_key_ids").into_iter().map(Into::into).collect(),
        group_by: query.words("group_by", &GROUPS)?,
        limit: limit.and_then(|limit| u32::try_from(limit).ok()),
        most_buckets: Some(MOST_BUCKETS),
        page: query.text("page")?,
        ..UsageQuery::new(Operation::ALL.to_vec(), start)
    };
    query.finish()?;
    let page = ask(&app, &admin.scope, &question).await?;
    Ok(Json(UsageBuckets::new(page, Costs::from)))
}

impl From<UsageRow> for Costs {
    fn from(row: UsageRow) -> Self {
        Self {
            object: "organization.costs.result",
            // OpenAI has a JSON number here; `amount_usd` is exact.
            amount: Amount { value: row.cost.as_nanos() as f64 / 1e9, currency: "usd" },
            line_item: row.line_item,
            project_id: row.project_id.map(|id| id.to_string()),
            api_key_id: row.api_key_id.map(|id| id.to_string()),
            quantity: None,
            quantity_unit: None,
            amount_usd: row.cost.to_string(),
            num_unpriced_requests: row.unpriced_requests,
        }
    }
}
