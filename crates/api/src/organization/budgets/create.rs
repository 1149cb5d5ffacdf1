//! `POST /v1/organization/budgets`

use axum::Json;
use axum::extract::State;
use kernel::Zone;
use serde::Deserialize;
use store::NewBudget;
use utoipa::ToSchema;

use super::{Alert, Budget, Enforcement, Period, amount, one};
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::limits::LimitScope;
use crate::organization::sent::Sent;
use crate::problem::Problem;

/// A budget to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BudgetToCreate {
    /// Whose spending is counted together.
    scope: LimitScope,
    /// Only this one of the scope: an id, an end user, a model; without it each one, apart.
    subject: Option<String>,
    /// Only calls of this model; without it of all together.
    model: Option<String>,
    /// The stretch of time that comes again and again.
    period: Period,
    /// The time zone in which days and months begin, by its IANA name; without it UTC.
    #[schema(example = "Asia/Tokyo")]
    time_zone: Option<String>,
    /// How much may be spent in one period, in US dollars, as a decimal number.
    #[schema(example = "250.00")]
    amount: String,
    /// What happens when it is used up.
    enforcement: Enforcement,
    /// Who is told, and when.
    #[serde(default)]
    alerts: Vec<Alert>,
}

/// Make a budget. What its present period has spent already counts, and it holds at once. Kijun's own.
#[utoipa::path(
    post,
    path = "/v1/organization/budgets",
    operation_id = "createBudget",
    tag = "Administration",
    request_body = BudgetToCreate,
    responses(
        (status = 200, description = "The budget.", body = Budget),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    admin: Admin,
    Sent(new): Sent<BudgetToCreate>,
) -> Result<Json<Budget>, Problem> {
    let zone = new.time_zone.as_deref().map(Zone::named).transpose();
    let new = NewBudget {
        scope: new.scope.into(),
        subject: new.subject,
        model: new.model,
        period: new.period.into(),
        zone: zone
            .map_err(|wrong| Problem::invalid("time_zone", wrong.to_string()))?
            .unwrap_or_else(Zone::utc),
        amount: amount(&new.amount)?,
        enforcement: new.enforcement.into(),
        alerts: new.alerts.into_iter().map(Into::into).collect(),
    };
    let made = admission::budgets::create(&app.store.by(&admin.actor), &admin.scope, new).await?;
    app.gateway.see_change().await;
    Ok(Json(one(&app, &admin.scope, made).await?))
}
