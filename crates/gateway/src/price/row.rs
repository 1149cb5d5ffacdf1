//! One row of the price table, as people write it.

use kernel::Money;
use serde::{Deserialize, Serialize};

use super::PriceError;
use super::cost::{Rates, Tariff};
use super::date::midnight;

/// A price that is known to be one: what was written, and the numbers in it. It is read from
/// configuration and kept in the store in its written form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenPrice", into = "WrittenPrice")]
pub struct PriceRow {
    pub(super) written: WrittenPrice,
    pub(super) tariff: Tariff,
}

impl PriceRow {
    /// The row as it was written.
    pub fn written(&self) -> &WrittenPrice {
        &self.written
    }

    pub(super) fn tariff(&self) -> &Tariff {
        &self.tariff
    }
}

impl TryFrom<WrittenPrice> for PriceRow {
    type Error = PriceError;

    fn try_from(written: WrittenPrice) -> Result<Self, PriceError> {
        match written.read() {
            Ok(tariff) => Ok(Self { written, tariff }),
            Err(problem) => Err(PriceError::Row { row: written.name(), problem }),
        }
    }
}

impl From<PriceRow> for WrittenPrice {
    fn from(row: PriceRow) -> Self {
        row.written
    }
}

/// What one model costs at one provider from one day on, in dollars per million tokens, written
/// as decimal strings (`"0.15"`): a float could not hold them exactly.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenPrice {
    /// Whose price it is: a provider's name, a vendor's kind (`openai`: OpenAI's own endpoint, by
    /// whatever name), or `*` for all. The shipped table has kinds only.
    #[serde(default)]
    pub provider: String,
    /// The upstream model: its name, or the start of many names with `*` at the end.
    pub model: String,
    /// The first day on which it holds: `YYYY-MM-DD`, in UTC.
    pub effective_from: String,
    /// The service tier that it is the price of, such as `flex`; absent: the standard one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// Input.
    pub input: String,
    /// Input read from the prompt cache; absent: as `input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<String>,
    /// Input written to the prompt cache; absent: as `input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<String>,
    /// Audio in the input; absent: as `input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_input: Option<String>,
    /// Images in the input; absent: as `input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_input: Option<String>,
    /// Output, reasoning included; `"0"` for models that have none, such as embeddings.
    pub output: String,
    /// Audio in the output; absent: as `output`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_output: Option<String>,
    /// What a call with a long prompt costs instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_prompt: Option<LongPrompt>,
    /// The vendor's page that says so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// The transcript through which that page was read; empty: the page itself was.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub via: String,
    /// The day on which it was read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub read_on: String,
}

/// The prices of a whole call whose input is longer than so many tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LongPrompt {
    /// The longest input that still has the row's own prices.
    pub above_input_tokens: u64,
    /// Input; absent with `output`: not known, so that such calls have no cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// Input read from the prompt cache; absent: as `input` here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<String>,
    /// Input written to the prompt cache; absent: as `input` here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<String>,
    /// Audio in the input; absent: as `input` here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_input: Option<String>,
    /// Images in the input; absent: as `input` here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_input: Option<String>,
    /// Output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Audio in the output; absent: as `output` here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_output: Option<String>,
}

impl WrittenPrice {
    fn read(&self) -> Result<Tariff, String> {
        if self.provider.trim().is_empty() {
            return Err("it names no provider; write `provider = \"…\"`, or \"*\" for all".into());
        }
        let stars = self.model.matches('*').count();
        if self.model.is_empty() || stars > 1 || (stars == 1 && !self.model.ends_with('*')) {
            return Err("`model` is a name, or the start of names with one `*` at the end".into());
        }
        Ok(Tariff {
            effective_from: midnight(&self.effective_from)
                .map_err(|e| format!("`effective_from`: {e}"))?,
            base: self.base()?,
            long_prompt: self.long_prompt.as_ref().map(LongPrompt::read).transpose()?,
        })
    }

    fn base(&self) -> Result<Rates, String> {
        let input = dollars("input", &self.input)?;
        let output = dollars("output", &self.output)?;
        Ok(Rates {
            input,
            cached_input: or_else("cached_input", self.cached_input.as_deref(), input)?,
            cache_write: or_else("cache_write", self.cache_write.as_deref(), input)?,
            audio_input: or_else("audio_input", self.audio_input.as_deref(), input)?,
            image_input: or_else("image_input", self.image_input.as_deref(), input)?,
            output,
            audio_output: or_else("audio_output", self.audio_output.as_deref(), output)?,
        })
    }

    pub(super) fn name(&self) -> String {
        format!("`{}` at `{}` from {}", self.model, self.provider, self.effective_from)
    }
}

impl LongPrompt {
    fn read(&self) -> Result<(u64, Option<Rates>), String> {
        let rates = match (&self.input, &self.output) {
            (None, None) => None,
            (Some(input), Some(output)) => Some(self.rates(input, output)?),
            _ => return Err("`long_prompt` has one of `input` and `output`; give both".into()),
        };
        Ok((self.above_input_tokens, rates))
    }

    fn rates(&self, input: &str, output: &str) -> Result<Rates, String> {
        let input = dollars("long_prompt.input", input)?;
        let output = dollars("long_prompt.output", output)?;
        let part = |name, text: &Option<String>, base| or_else(name, text.as_deref(), base);
        Ok(Rates {
            input,
            cached_input: part("long_prompt.cached_input", &self.cached_input, input)?,
            cache_write: part("long_prompt.cache_write", &self.cache_write, input)?,
            audio_input: part("long_prompt.audio_input", &self.audio_input, input)?,
            image_input: part("long_prompt.image_input", &self.image_input, input)?,
            output,
            audio_output: part("long_prompt.audio_output", &self.audio_output, output)?,
        })
    }
}

fn dollars(field: &str, text: &str) -> Result<Money, String> {
    Money::parse_dollars(text).map_err(|problem| format!("`{field}`: {problem}"))
}

fn or_else(field: &str, text: Option<&str>, otherwise: Money) -> Result<Money, String> {
    text.map_or(Ok(otherwise), |text| dollars(field, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> WrittenPrice {
        WrittenPrice {
            provider: "openai".into(),
            model: "m".into(),
            effective_from: "2026-01-01".into(),
            input: "1".into(),
            output: "2".into(),
            ..WrittenPrice::default()
        }
    }

    #[test]
    fn absent_prices_are_those_of_their_class() {
        let rates = PriceRow::try_from(row()).unwrap().tariff().base;
        let (input, output) = (Money::from_nanos(1_000_000_000), Money::from_nanos(2_000_000_000));
        assert_eq!(
            [rates.cached_input, rates.cache_write, rates.audio_input, rates.image_input],
            [input; 4]
        );
        assert_eq!(rates.audio_output, output);
    }

    #[test]
    fn a_malformed_row_is_named_with_what_would_mend_it() {
        let long = |input: Option<&str>| {
            Some(LongPrompt { input: input.map(Into::into), ..LongPrompt::default() })
        };
        for (wrong, expected) in [
            (WrittenPrice { provider: " ".into(), ..row() }, "names no provider"),
            (WrittenPrice { model: "a*b".into(), ..row() }, "one `*` at the end"),
            (WrittenPrice { model: String::new(), ..row() }, "one `*` at the end"),
            (WrittenPrice { effective_from: "soon".into(), ..row() }, "write it like"),
            (WrittenPrice { input: "1,5".into(), ..row() }, "`input`: `1,5` is not an amount"),
            (WrittenPrice { output: String::new(), ..row() }, "`output`"),
            (WrittenPrice { cached_input: Some("-1".into()), ..row() }, "`cached_input`"),
            (WrittenPrice { long_prompt: long(Some("1")), ..row() }, "give both"),
        ] {
            let name = format!("`{}` at", wrong.model);
            let message = PriceRow::try_from(wrong).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
            assert!(message.contains(&name), "{message}");
        }
    }

    #[test]
    fn a_row_is_kept_in_its_written_form() {
        let written = WrittenPrice {
            cached_input: Some("0.50".into()),
            long_prompt: Some(LongPrompt { above_input_tokens: 9, ..LongPrompt::default() }),
            ..row()
        };
        let row = PriceRow::try_from(written.clone()).unwrap();
        let json = serde_json::to_string(&row).unwrap();
        assert_eq!(
            json,
            "{\"provider\":\"openai\",\"model\":\"m\",\"effective_from\":\"2026-01-01\",\
             \"input\":\"1\",\"cached_input\":\"0.50\",\"output\":\"2\",\
             \"long_prompt\":{\"above_input_tokens\":9}}"
        );
        let read: PriceRow = serde_json::from_str(&json).unwrap();
        assert_eq!(read.written(), &written);
        let wrong = serde_json::from_str::<PriceRow>(&json.replace("\"1\"", "\"-1\""));
        assert!(wrong.unwrap_err().to_string().contains("`m` at `openai` from 2026-01-01"));
    }
}
