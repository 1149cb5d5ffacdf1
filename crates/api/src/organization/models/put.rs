//! `POST /v1/organization/models`

use axum::Json;
use axum::extract::State;
use kernel::catalog::{ModelSpec, Source};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{ModelAlias, ModelFallback, ModelTarget};
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::sent::Sent;
use crate::problem::Problem;

/// The largest share of a target.
const MOST_WEIGHT: u32 = 1_000_000;

/// A model to be made or replaced.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelToPut {
    /// The name that clients call it by.
    #[schema(min_length = 1, max_length = 200, example = "small")]
    name: String,
    /// What serves it.
    #[schema(min_items = 1)]
    targets: Vec<ModelTarget>,
    /// Models to try, in order, when no target answers.
    #[serde(default)]
    fallbacks: Vec<ModelFallback>,
}

/// Make a model, or replace the one of this name whole. Kijun's own.
#[utoipa::path(
    post,
    path = "/v1/organization/models",
    operation_id = "putModelAlias",
    tag = "Administration",
    request_body = ModelToPut,
    responses(
        (status = 200, description = "The model.", body = ModelAlias),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn put(
    State(app): State<App>,
    admin: Admin,
    Sent(new): Sent<ModelToPut>,
) -> Result<Json<ModelAlias>, Problem> {
    let spec = new.into_spec()?;
    app.gateway.model_put(&admin.actor, &spec).await?;
    Ok(Json(spec.into()))
}

impl ModelToPut {
    pub(in crate::organization) fn into_spec(self) -> Result<ModelSpec, Problem> {
        if let Some(at) = self.targets.iter().position(|target| target.weight > MOST_WEIGHT) {
            let param = format!("targets[{at}].weight");
            let message = format!("`{param}` must be from 0 to {MOST_WEIGHT}");
            return Err(Problem::invalid(&param, message));
        }
        Ok(ModelSpec {
            name: self.name,
            targets: self.targets.into_iter().map(Into::into).collect(),
            fallbacks: self.fallbacks.into_iter().map(Into::into).collect(),
            source: Source::Database,
        })
    }
}
