//! `POST /v1/organization/prices`

use axum::Json;
use axum::extract::State;

use super::{Price, Terms};
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::sent::Sent;
use crate::problem::Problem;

/// Add a price. It holds from its day on, before those of the configuration file and the vendors' lists. Kijun's own.
#[utoipa::path(
    post,
    path = "/v1/organization/prices",
    operation_id = "createPrice",
    tag = "Administration",
    request_body = Terms,
    responses(
        (status = 200, description = "The price.", body = Price),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    admin: Admin,
    Sent(terms): Sent<Terms>,
) -> Result<Json<Price>, Problem> {
    let price = app.gateway.price_add(&admin.actor, terms.into()).await?;
    Ok(Json(Price::new(price)?))
}
