//! `POST /v1/organization/providers/{name}/check`

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use store::StoreError;
use utoipa::ToSchema;

use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::problem::Problem;

/// How a provider answered.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProviderCheck {
    /// Always `organization.provider.check`.
    object: &'static str,
    /// The provider's name.
    name: String,
    /// Whether it listed its models.
    reachable: bool,
    /// How many it listed.
    #[schema(required)]
    models: Option<usize>,
    /// Why it did not.
    #[schema(required)]
    failure: Option<CheckFailure>,
}

/// Why a provider did not list its models.
#[derive(Serialize, ToSchema)]
pub(crate) struct CheckFailure {
    /// Its class: `connection`, `timeout`, `unauthorized`, ...
    class: &'static str,
    /// What happened.
    message: String,
}

/// Ask a provider for its models, which needs its address and credential to be right. Kijun's own.
#[utoipa::path(
    post,
    path = "/v1/organization/providers/{name}/check",
    operation_id = "checkProvider",
    tag = "Administration",
    params(
        ("name" = String, Path, description = "The provider's name."),
    ),
    responses(
        (status = 200, description = "Whether it answers.", body = ProviderCheck),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn check(
    State(app): State<App>,
    _admin: Admin,
    Ids(name): Ids<String>,
) -> Result<Json<ProviderCheck>, Problem> {
    let Some(answer) = app.gateway.provider_check(&name).await else {
        return Err(StoreError::NotFound { what: "provider", id: name }.into());
    };
    let (models, failure) = match answer {
        Ok(models) => (Some(models.len()), None),
        Err(failure) => {
            (None, Some(CheckFailure { class: failure.class.as_str(), message: failure.message }))
        }
    };
    let (object, reachable) = ("organization.provider.check", failure.is_none());
    Ok(Json(ProviderCheck { object, name, reachable, models, failure }))
}
