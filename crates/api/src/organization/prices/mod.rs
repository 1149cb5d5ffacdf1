//! `/v1/organization/prices`: Kijun's own. Prices are the installation's, so every organization's
//! administrators see and add the same ones. None is changed or deleted, so that what a call cost
//! on its day can always be shown.

pub(super) mod create;
pub(super) mod list;

use gateway::price::{LongPrompt, PriceRow, WrittenPrice};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::list::Listed;
use crate::problem::Problem;

/// What a model costs at a provider from one day on, in dollars per million tokens.
#[derive(Serialize, ToSchema)]
pub(crate) struct Price {
    /// Always `organization.price`.
    object: &'static str,
    /// Its id.
    id: String,
    /// When it was added, in seconds since 1970.
    created_at: i64,
    #[serde(flatten)]
    terms: Terms,
}

/// The terms of a price. Amounts are decimal strings, so that no digit is lost.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Terms {
    /// A provider's name, a vendor's kind (its own endpoint only), or `*` for all.
    #[schema(example = "openai")]
    provider: String,
    /// The upstream model: its name, or the start of many names with `*` at the end.
    #[schema(example = "gpt-4o-mini")]
    model: String,
    /// The first day on which it holds: `YYYY-MM-DD`, in UTC.
    #[schema(example = "2026-01-01")]
    effective_from: String,
    /// Input.
    #[schema(example = "0.15")]
    input: String,
    /// Input read from the prompt cache; absent: as `input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cached_input: Option<String>,
    /// Input written to the prompt cache; absent: as `input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cache_write: Option<String>,
    /// Audio in the input; absent: as `input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    audio_input: Option<String>,
    /// Images in the input; absent: as `input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image_input: Option<String>,
    /// Output, reasoning included.
    #[schema(example = "0.60")]
    output: String,
    /// Audio in the output; absent: as `output`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    audio_output: Option<String>,
    /// What a whole call costs whose input is longer than so many tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    long_prompt: Option<LongPromptTerms>,
    /// Where it was read: a contract, a page and its date.
    #[schema(example = "our contract of January 2026")]
    source: String,
}

/// The prices of a whole call with a long input.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LongPromptTerms {
    /// The longest input that still has the usual prices.
    above_input_tokens: u64,
    /// Input.
    input: String,
    /// Input read from the prompt cache; absent: as `input` here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cached_input: Option<String>,
    /// Output.
    output: String,
}

impl Price {
    fn new(price: store::Price) -> Result<Self, Problem> {
        let (id, created_at) = (price.id.clone(), price.created_at.as_secs());
        let row = PriceRow::try_from(price).map_err(|error| {
            tracing::error!(%error, "a stored price cannot be read");
            let message = format!("the price `{id}` cannot be read; the log says why");
            Problem::new(500, "server_error", Some("internal_error"), message)
        })?;
        let terms = Terms::from(row.written().clone());
        Ok(Self { object: "organization.price", id, created_at, terms })
    }
}

impl From<WrittenPrice> for Terms {
    fn from(written: WrittenPrice) -> Self {
        let long = |long: LongPrompt| LongPromptTerms {
            above_input_tokens: long.above_input_tokens,
            input: long.input.unwrap_or_default(),
            cached_input: long.cached_input,
            output: long.output.unwrap_or_default(),
        };
        Self {
            provider: written.provider,
            model: written.model,
            effective_from: written.effective_from,
            input: written.input,
            cached_input: written.cached_input,
            cache_write: written.cache_write,
            audio_input: written.audio_input,
            image_input: written.image_input,
            output: written.output,
            audio_output: written.audio_output,
            long_prompt: written.long_prompt.map(long),
            source: written.source,
        }
    }
}

impl From<Terms> for WrittenPrice {
    fn from(terms: Terms) -> Self {
        let long = |long: LongPromptTerms| LongPrompt {
            above_input_tokens: long.above_input_tokens,
            input: Some(long.input),
            cached_input: long.cached_input,
            output: Some(long.output),
            ..LongPrompt::default()
        };
        Self {
            provider: terms.provider,
            model: terms.model,
            effective_from: terms.effective_from,
            input: terms.input,
            cached_input: terms.cached_input,
            cache_write: terms.cache_write,
            audio_input: terms.audio_input,
            image_input: terms.image_input,
            output: terms.output,
            audio_output: terms.audio_output,
            long_prompt: terms.long_prompt.map(long),
            source: terms.source,
            ..Self::default()
        }
    }
}

impl Listed for Price {
    fn id(&self) -> &str {
        &self.id
    }
}
