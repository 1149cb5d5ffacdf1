//! `POST /v1/organization/providers`

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use kernel::catalog::{ProviderSpec, Source};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Provider, Timeouts};
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::sent::Sent;
use crate::problem::Problem;

const MOST_CONCURRENT: u32 = 1_000_000;
/// A day.
const LONGEST_MS: u64 = 86_400_000;

/// A provider to be made or replaced.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderToPut {
    /// Its name; models' targets refer to it.
    #[schema(min_length = 1, max_length = 200, example = "hub")]
    name: String,
    /// What speaks to it: `openai`, `azure`, `anthropic`, `gemini`, `ollama` or `sim`.
    #[schema(example = "openai")]
    kind: String,
    /// Where it is; without it, the kind's own default.
    #[schema(example = "http://127.0.0.1:8000/v1")]
    base_url: Option<String>,
    /// The credential. It is sealed, and never shown again.
    #[schema(write_only)]
    api_key: Option<String>,
    /// The named set of quirks of a compatible server.
    quirks: Option<String>,
    /// The version of its API to ask for.
    api_version: Option<String>,
    /// More headers to send with every call. Their values are sealed, too.
    #[serde(default)]
    #[schema(write_only)]
    headers: BTreeMap<String, String>,
    /// How long each step of a call may take.
    #[serde(default)]
    timeouts: Timeouts,
    /// Calls under way at once to each target; without it, no limit.
    #[schema(minimum = 1, maximum = 1_000_000)]
    max_concurrent: Option<u32>,
    /// Whether every model that it lists is served under its own name.
    #[serde(default)]
    discover: bool,
}

/// Make a provider, or replace the one of this name whole. The credential must be sent again: one that was given for one address never goes to another. Kijun's own.
#[utoipa::path(
    post,
    path = "/v1/organization/providers",
    operation_id = "putProvider",
    tag = "Administration",
    request_body = ProviderToPut,
    responses(
        (status = 200, description = "The provider.", body = Provider),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn put(
    State(app): State<App>,
    admin: Admin,
    Sent(new): Sent<ProviderToPut>,
) -> Result<Json<Provider>, Problem> {
    let spec = new.into_spec()?;
    app.gateway.provider_put(&admin.actor, &spec).await?;
    Ok(Json(spec.into()))
}

impl ProviderToPut {
    pub(in crate::organization) fn into_spec(self) -> Result<ProviderSpec, Problem> {
        if self.max_concurrent.is_some_and(|most| !(1..=MOST_CONCURRENT).contains(&most)) {
            let message = format!(
                "`max_concurrent` must be from 1 to {MOST_CONCURRENT}; leave it out for no limit"
            );
            return Err(Problem::invalid("max_concurrent", message));
        }
        Ok(ProviderSpec {
            name: self.name,
            kind: self.kind,
            base_url: self.base_url,
            api_key: self.api_key.filter(|key| !key.is_empty()).map(SecretString::from),
            quirks: self.quirks,
            api_version: self.api_version,
            headers: self.headers,
            timeouts: self.timeouts.checked()?,
            max_concurrent: self.max_concurrent,
            discover: self.discover,
            source: Source::Database,
        })
    }
}

impl Timeouts {
    fn checked(self) -> Result<kernel::catalog::Timeouts, Problem> {
        let Self { connect_ms, first_byte_ms, idle_ms, total_ms } = self;
        for (param, millis) in [
            ("timeouts.connect_ms", connect_ms),
            ("timeouts.first_byte_ms", first_byte_ms),
            ("timeouts.idle_ms", idle_ms),
            ("timeouts.total_ms", total_ms),
        ] {
            if !(1..=LONGEST_MS).contains(&millis) {
                let message = format!("`{param}` must be from 1 to {LONGEST_MS}");
                return Err(Problem::invalid(param, message));
            }
        }
        Ok(kernel::catalog::Timeouts { connect_ms, first_byte_ms, idle_ms, total_ms })
    }
}
