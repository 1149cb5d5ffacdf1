//! `/v1/organization/models`: Kijun's own. Which models are served, and by what.

pub(super) mod delete;
pub(super) mod list;
pub(super) mod put;
pub(super) mod retrieve;

use kernel::Operation;
use kernel::catalog::{FailureClass, Fallback, ModelSpec, TargetSpec};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::list::Listed;
use super::providers::source_name;

/// A model as clients name it, and what serves it.
#[derive(Serialize, ToSchema)]
pub(crate) struct ModelAlias {
    /// Always `organization.model`.
    object: &'static str,
    /// Its name.
    name: String,
    /// What serves it.
    targets: Vec<ModelTarget>,
    /// Models to try, in order, when no target answers.
    fallbacks: Vec<ModelFallback>,
    /// Where it is written down: `file`, `database` or `built_in`.
    source: &'static str,
}

/// One model of one provider.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelTarget {
    /// The provider's name.
    #[schema(example = "kijun-sim")]
    provider: String,
    /// The model's name there.
    #[schema(example = "kijun-sim")]
    model: String,
    /// Its share of the calls; 0: only when the others fail.
    #[serde(default = "one")]
    #[schema(minimum = 0, maximum = 1_000_000)]
    weight: u32,
    /// What it can do; empty: all that its provider can.
    #[serde(default)]
    #[schema(value_type = Vec<OperationName>)]
    operations: Vec<Operation>,
}

const fn one() -> u32 {
    1
}

/// Where a call goes when no target answers.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelFallback {
    /// The model to try.
    model: String,
    /// After which failures; empty: after every one but the caller's own.
    #[serde(default)]
    #[schema(value_type = Vec<FailureName>)]
    on: Vec<FailureClass>,
}

/// What a target can be asked for.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "it describes kernel::Operation")]
enum OperationName {
    ChatCompletions,
    Completions,
    Embeddings,
    Moderations,
}

/// Why a target did not answer.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "it describes kernel::catalog::FailureClass")]
enum FailureName {
    Connection,
    Timeout,
    RateLimited,
    Overloaded,
    ServerError,
    Unauthorized,
    ModelNotFound,
    ContextLength,
    ContentFilter,
    InvalidRequest,
    Unsupported,
}

impl From<ModelSpec> for ModelAlias {
    fn from(spec: ModelSpec) -> Self {
        let targets = spec.targets.into_iter().map(|target| ModelTarget {
            provider: target.provider,
            model: target.model,
            weight: target.weight,
            operations: target.operations,
        });
        let fallbacks = spec
            .fallbacks
            .into_iter()
            .map(|fallback| ModelFallback { model: fallback.model, on: fallback.on });
        Self {
            object: "organization.model",
            name: spec.name,
            targets: targets.collect(),
            fallbacks: fallbacks.collect(),
            source: source_name(spec.source),
        }
    }
}

impl From<ModelTarget> for TargetSpec {
    fn from(target: ModelTarget) -> Self {
        let ModelTarget { provider, model, weight, operations } = target;
        Self { provider, model, weight, operations }
    }
}

impl From<ModelFallback> for Fallback {
    fn from(fallback: ModelFallback) -> Self {
        Self { model: fallback.model, on: fallback.on }
    }
}

impl Listed for ModelAlias {
    fn id(&self) -> &str {
        &self.name
    }
}
