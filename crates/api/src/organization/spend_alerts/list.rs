//! `GET /v1/organization/spend_alerts`, and of a project.

use axum::Json;
use axum::extract::State;
use kernel::Scope;
use store::SpendAlertPage;
use utoipa::{IntoParams, ToSchema};

use super::{SpendAlert, project};
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::list::List;
use crate::organization::query::Query;
use crate::problem::Problem;

const DEFAULT_LIMIT: u32 = 20;
const MOST: i64 = 100;

/// Which page of the list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes what `list` reads")]
struct SpendAlertParams {
    /// How many alerts at most: 20 where nothing is said.
    #[param(nullable = false, minimum = 0, maximum = 100)]
    limit: Option<u32>,
    /// `asc`, the default: the oldest first.
    #[param(nullable = false, inline)]
    order: Option<Order>,
    /// The id of the last alert of the page before.
    #[param(nullable = false)]
    after: Option<String>,
    /// The id of the first alert of the page after.
    #[param(nullable = false)]
    before: Option<String>,
}

/// The words that `order` may be.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "it describes the words that are read")]
enum Order {
    Asc,
    Desc,
}

/// List the organization's spend alerts.
#[utoipa::path(
    get,
    path = "/v1/organization/spend_alerts",
    operation_id = "listOrganizationSpendAlerts",
    tag = "Administration",
    params(
        SpendAlertParams,
    ),
    responses(
        (status = 200, description = "A page of alerts.", body = List<SpendAlert>),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn of_organization(
    State(app): State<App>,
    admin: Admin,
    query: Query,
) -> Result<Json<List<SpendAlert>>, Problem> {
    list(&app, &admin.scope, query).await
}

/// List a project's spend alerts.
#[utoipa::path(
    get,
    path = "/v1/organization/projects/{project_id}/spend_alerts",
    operation_id = "listProjectSpendAlerts",
    tag = "Administration",
    params(
        ("project_id" = String, Path, description = "The project's id."),
        SpendAlertParams,
    ),
    responses(
        (status = 200, description = "A page of alerts.", body = List<SpendAlert>),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn of_project(
    State(app): State<App>,
    admin: Admin,
    Ids(id): Ids<String>,
    query: Query,
) -> Result<Json<List<SpendAlert>>, Problem> {
    list(&app, &project(&app, &admin, &id).await?, query).await
}

async fn list(
    app: &App,
    scope: &Scope,
    mut query: Query,
) -> Result<Json<List<SpendAlert>>, Problem> {
    let limit = query.number("limit", 0..=MOST)?.and_then(|limit| u32::try_from(limit).ok());
    let page = SpendAlertPage {
        after: query.text("after")?,
        before: query.text("before")?,
        limit: limit.unwrap_or(DEFAULT_LIMIT),
        descending: query.word("order", &[("asc", false), ("desc", true)])?.unwrap_or(false),
    };
    query.finish()?;
    let alerts = app.store.spend_alert_list(scope, &page).await?;
    Ok(Json(List::of(alerts, SpendAlert::from)))
}
