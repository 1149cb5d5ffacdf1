//! OpenAI's usage objects, as every compatible server writes them, and back.

use kernel::Usage;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::span::object;

/// Reads a usage object: Chat Completions', Embeddings' or Responses' names, DeepSeek's cache
/// counts. `None` when it is no object, or names no count of tokens.
///
/// It takes what it understands and ignores the rest: a null, a string or a number that no answer
/// can have says nothing, a float is cut to a whole number.
pub fn read(json: &[u8]) -> Option<Usage> {
    let said: Said<'_> = object(std::str::from_utf8(json).ok()?)?;
    let input = said.prompt_tokens.or(said.input_tokens);
    let output = said.completion_tokens.or(said.output_tokens);
    let counts = [input, output, said.total_tokens];
    // One count that cannot be makes the others unlikely, too: better to count ourselves.
    if counts.iter().any(|count| count.1) || counts.iter().all(|count| count.0.is_none()) {
        return None;
    }
    let of_input = details(said.prompt_tokens_details, said.input_tokens_details);
    let of_output = details(said.completion_tokens_details, said.output_tokens_details);
    let output = output.0.unwrap_or(0);
    let cached = of_input.cached_tokens.or(said.prompt_cache_hit_tokens).or(said.cached_tokens);
    Some(Usage {
        input: input
            .0
            .or(said.total_tokens.0.map(|total| total.saturating_sub(output)))
            .unwrap_or(0),
        input_cached: cached.0.unwrap_or(0),
        input_cache_write: of_input.cache_write_tokens.0.unwrap_or(0),
        input_audio: of_input.audio_tokens.0.unwrap_or(0),
        input_image: of_input.image_tokens.0.unwrap_or(0),
        output,
        output_reasoning: of_output.reasoning_tokens.0.unwrap_or(0),
        output_audio: of_output.audio_tokens.0.unwrap_or(0),
        estimated: false,
    })
}

/// Writes the usage object of a chat completion, with all its details.
pub fn write_chat(usage: &Usage) -> Value {
    json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total(),
        "prompt_tokens_details": {
            "cached_tokens": usage.input_cached,
            "cache_write_tokens": usage.input_cache_write,
            "audio_tokens": usage.input_audio,
            "image_tokens": usage.input_image,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.output_reasoning,
            "audio_tokens": usage.output_audio,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}

/// Writes the usage object of a response, with all its details.
pub fn write_responses(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.input,
        "input_tokens_details": {
            "cached_tokens": usage.input_cached,
            "cache_write_tokens": usage.input_cache_write,
        },
        "output_tokens": usage.output,
        "output_tokens_details": { "reasoning_tokens": usage.output_reasoning },
        "total_tokens": usage.total(),
    })
}

#[derive(serde::Deserialize)]
struct Said<'a> {
    #[serde(default)]
    prompt_tokens: Count,
    #[serde(default)]
    input_tokens: Count,
    #[serde(default)]
    completion_tokens: Count,
    #[serde(default)]
    output_tokens: Count,
    #[serde(default)]
    total_tokens: Count,
    #[serde(default)]
    prompt_cache_hit_tokens: Count,
    #[serde(default)]
    cached_tokens: Count,
    #[serde(borrow)]
    prompt_tokens_details: Option<&'a RawValue>,
    #[serde(borrow)]
    input_tokens_details: Option<&'a RawValue>,
    #[serde(borrow)]
    completion_tokens_details: Option<&'a RawValue>,
    #[serde(borrow)]
    output_tokens_details: Option<&'a RawValue>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Details {
    cached_tokens: Count,
    cache_write_tokens: Count,
    audio_tokens: Count,
    image_tokens: Count,
    reasoning_tokens: Count,
}

/// Details are optional in every server's answer, so what is no object is as good as absent.
fn details(chat: Option<&RawValue>, responses: Option<&RawValue>) -> Details {
    chat.or(responses).and_then(|raw| object(raw.get())).unwrap_or_default()
}

/// No answer has more tokens. A larger number is as wrong as a negative one: it would lock a key
/// out of its limits for years, and sums of a few such would not fit the ledger.
const MOST: u64 = 1_000_000_000;

/// A count of tokens, or anything else, which counts as absent; and whether it was a number that no
/// count can be.
#[derive(Clone, Copy, Default)]
struct Count(Option<u64>, bool);

impl Count {
    fn within(bounds: bool, count: u64) -> Self {
        Self(bounds.then_some(count), !bounds)
    }

    fn or(self, other: Self) -> Self {
        Self(self.0.or(other.0), self.1 || other.1)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CountVisitor)
    }
}

struct CountVisitor;

impl<'de> Visitor<'de> for CountVisitor {
    type Value = Count;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a count of tokens")
    }
    fn visit_u64<E>(self, count: u64) -> Result<Count, E> {
        Ok(Count::within(count <= MOST, count))
    }
    fn visit_i64<E>(self, count: i64) -> Result<Count, E> {
        // A positive number comes as a `u64`.
        Ok(Count::within(count >= 0, count.unsigned_abs()))
    }
    fn visit_f64<E>(self, count: f64) -> Result<Count, E> {
        Ok(Count::within((0.0..=MOST as f64).contains(&count), count as u64))
    }
    fn visit_unit<E>(self) -> Result<Count, E> {
        Ok(Count::default())
    }
    fn visit_bool<E>(self, _: bool) -> Result<Count, E> {
        Ok(Count::default())
    }
    fn visit_str<E>(self, _: &str) -> Result<Count, E> {
        Ok(Count::default())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Count, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Count::default())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Count, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Count::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_value(value: &Value) -> Option<Usage> {
        read(value.to_string().as_bytes())
    }

    #[test]
    fn numbers_that_cannot_be_are_no_report() {
        for wrong in ["1e25", "1e300", "18446744073709551615", "1000000001", "-1"] {
            let said =
                format!(r#"{{"prompt_tokens":{wrong},"completion_tokens":2,"total_tokens":1}}"#);
            assert_eq!(read(said.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn all_details_of_a_chat_are_read() {
        let usage = read_value(&json!({
            "prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150, "cost": 0.1,
            "prompt_tokens_details":
                {"cached_tokens": 60, "cache_write_tokens": 5, "audio_tokens": 7, "image_tokens": 9},
            "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 3},
        }));
        let expected = Usage {
            input: 100,
            input_cached: 60,
            input_cache_write: 5,
            input_audio: 7,
            input_image: 9,
            output: 50,
            output_reasoning: 30,
            output_audio: 3,
            estimated: false,
        };
        assert_eq!(usage, Some(expected));
        assert_eq!(read_value(&write_chat(&expected)), Some(expected));
    }

    #[test]
    fn other_servers_names_are_read() {
        let embeddings = read_value(&json!({"prompt_tokens": 8, "total_tokens": 8}));
        assert_eq!(embeddings, Some(Usage { input: 8, ..Usage::default() }));
        let responses = read_value(&json!({
            "input_tokens": 9, "input_tokens_details": {"cached_tokens": 4},
            "output_tokens": 2, "output_tokens_details": {"reasoning_tokens": 1},
        }));
        let expected =
            Usage { input: 9, input_cached: 4, output: 2, output_reasoning: 1, ..Usage::default() };
        assert_eq!(responses, Some(expected));
        assert_eq!(read_value(&write_responses(&expected)), Some(expected));
        let deepseek = read_value(&json!({
            "prompt_tokens": 10, "completion_tokens": 1,
            "prompt_cache_hit_tokens": 6, "prompt_cache_miss_tokens": 4,
        }));
        let expected = Usage { input: 10, input_cached: 6, output: 1, ..Usage::default() };
        assert_eq!(deepseek, Some(expected));
        let total = read_value(&json!({"total_tokens": 12, "completion_tokens": 5}));
        assert_eq!(total, Some(Usage { input: 7, output: 5, ..Usage::default() }));
    }

    #[test]
    fn nonsense_counts_as_absent() {
        let usage = read_value(&json!({
            "prompt_tokens": 3.9, "completion_tokens": "4", "total_tokens": "7",
            "prompt_tokens_details": null, "completion_tokens_details": [1, {"a": 2}],
        }));
        assert_eq!(usage, Some(Usage { input: 3, ..Usage::default() }));
        let deep = read_value(&json!({
            "prompt_tokens": 1, "completion_tokens_details": {"reasoning_tokens": {"a": [1]}},
        }));
        assert_eq!(deep, Some(Usage { input: 1, ..Usage::default() }));
        for nothing in ["null", "{}", "[1,2,3]", "{\"prompt_tokens\":null}", "", "{\"prompt"] {
            assert_eq!(read(nothing.as_bytes()), None, "{nothing}");
        }
    }
}
