//! `/v1/organization/providers`: Kijun's own. Providers and models are the node's, so every
//! organization's administrators see and change the same ones.

pub(super) mod check;
pub(super) mod delete;
pub(super) mod list;
pub(super) mod put;
pub(super) mod retrieve;

use kernel::catalog::{ProviderSpec, Source};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::list::Listed;

/// A place that answers calls. Its credential and the values of its headers are never shown.
#[derive(Serialize, ToSchema)]
pub(crate) struct Provider {
    /// Always `organization.provider`.
    object: &'static str,
    /// Its name; models' targets refer to it.
    name: String,
    /// What speaks to it: `openai`, `azure`, `anthropic`, `gemini`, `ollama` or `sim`.
    kind: String,
    /// Where it is; null: the kind's own default.
    #[schema(required)]
    base_url: Option<String>,
    /// Whether it has a credential.
    has_api_key: bool,
    /// The named set of quirks of a compatible server.
    #[schema(required)]
    quirks: Option<String>,
    /// The version of its API that is asked for.
    #[schema(required)]
    api_version: Option<String>,
    /// The names of the headers that are sent with every call.
    header_names: Vec<String>,
    /// How long each step of a call may take.
    timeouts: Timeouts,
    /// Calls under way at once to each target; null: no limit.
    #[schema(required)]
    max_concurrent: Option<u32>,
    /// Whether every model that it lists is served under its own name.
    discover: bool,
    /// Where it is written down: `file`, `environment`, `database` or `built_in`.
    source: &'static str,
}

/// How long each step of a call may take, in milliseconds: 1 to a day.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Timeouts {
    /// To a connection.
    #[schema(minimum = 1, maximum = 86_400_000)]
    connect_ms: u64,
    /// From the request to the response's head.
    #[schema(minimum = 1, maximum = 86_400_000)]
    first_byte_ms: u64,
    /// Between two pieces of the response.
    #[schema(minimum = 1, maximum = 86_400_000)]
    idle_ms: u64,
    /// For the whole call, all attempts together.
    #[schema(minimum = 1, maximum = 86_400_000)]
    total_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        kernel::catalog::Timeouts::default().into()
    }
}

impl From<kernel::catalog::Timeouts> for Timeouts {
    fn from(timeouts: kernel::catalog::Timeouts) -> Self {
        Self {
            connect_ms: timeouts.connect_ms,
            first_byte_ms: timeouts.first_byte_ms,
            idle_ms: timeouts.idle_ms,
            total_ms: timeouts.total_ms,
        }
    }
}

impl From<ProviderSpec> for Provider {
    fn from(spec: ProviderSpec) -> Self {
        Self {
            object: "organization.provider",
            name: spec.name,
            kind: spec.kind,
            base_url: spec.base_url,
            has_api_key: spec.api_key.is_some(),
            quirks: spec.quirks,
            api_version: spec.api_version,
            header_names: spec.headers.into_keys().collect(),
            timeouts: spec.timeouts.into(),
            max_concurrent: spec.max_concurrent,
            discover: spec.discover,
            source: source_name(spec.source),
        }
    }
}

impl Listed for Provider {
    fn id(&self) -> &str {
        &self.name
    }
}

/// The name that the API uses.
pub(super) const fn source_name(source: Source) -> &'static str {
    match source {
        Source::File => "file",
        Source::Environment => "environment",
        Source::Database => "database",
        Source::BuiltIn => "built_in",
    }
}
