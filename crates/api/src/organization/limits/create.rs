//! `POST /v1/organization/limits`

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use store::NewLimit;
use utoipa::ToSchema;

use super::{LimitMeasure, LimitScope, UsageLimit};
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::sent::Sent;
use crate::problem::Problem;

/// A limit to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitToCreate {
    /// Whose calls are counted together.
    scope: LimitScope,
    /// Only this one of the scope: an id, an end user, a model; without it each one, apart.
    subject: Option<String>,
    /// Only calls of this model; without it of all together.
    model: Option<String>,
    /// What is counted.
    measure: LimitMeasure,
    /// How many are allowed.
    #[schema(minimum = 1, example = 60)]
    amount: u64,
}

/// Make a limit; it holds at once. Kijun's own.
#[utoipa::path(
    post,
    path = "/v1/organization/limits",
    operation_id = "createLimit",
    tag = "Administration",
    request_body = LimitToCreate,
    responses(
        (status = 200, description = "The limit.", body = UsageLimit),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    admin: Admin,
    Sent(new): Sent<LimitToCreate>,
) -> Result<Json<UsageLimit>, Problem> {
    let new = NewLimit {
        scope: new.scope.into(),
        subject: new.subject,
        model: new.model,
        measure: new.measure.into(),
        amount: new.amount,
    };
    let limit = admission::limits::create(&app.store.by(&admin.actor), &admin.scope, new).await?;
    app.gateway.see_change().await;
    Ok(Json(UsageLimit::new(limit, "database")))
}
