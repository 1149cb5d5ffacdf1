//! `POST /v1/organization/limits/{limit_id}`

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{UsageLimit, not_of_the_file};
use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::sent::Sent;
use crate::problem::Problem;

/// What is to be another.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitToChange {
    /// How many are allowed.
    #[schema(minimum = 1, example = 60)]
    amount: u64,
}

/// Give a limit another amount; it holds at once, and what was used of it stays used. Kijun's own.
#[utoipa::path(
    post,
    path = "/v1/organization/limits/{limit_id}",
    operation_id = "changeLimit",
    tag = "Administration",
    params(
        ("limit_id" = String, Path, description = "The limit's id."),
    ),
    request_body = LimitToChange,
    responses(
        (status = 200, description = "The limit.", body = UsageLimit),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn change(
    State(app): State<App>,
    admin: Admin,
    Ids(limit): Ids<String>,
    Sent(change): Sent<LimitToChange>,
) -> Result<Json<UsageLimit>, Problem> {
    not_of_the_file(&app, &limit)?;
    let id = limit.into();
    let limit =
        admission::limits::change(&app.store.by(&admin.actor), &admin.scope, &id, change.amount)
            .await?;
    app.gateway.see_change().await;
    Ok(Json(UsageLimit::new(limit, "database")))
}
