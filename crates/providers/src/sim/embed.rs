//! Embeddings: unit vectors made of the words of a text, so that texts which share words are near
//! each other. They are the same on every machine and mean no more than that.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use super::directive::Directives;
use super::request::{Fields, Wrong};
use super::tokens;

/// Numbers in a vector where the request does not say.
const DIMENSIONS: u64 = 1_536;
/// Numbers of a vector that one word moves.
const SPREAD: usize = 16;

/// Reads an embeddings request and answers it.
pub(super) fn answer(body: &Value, model: &str) -> Result<(Directives, Bytes), Wrong> {
    let fields = Fields::of(body)?;
    let dimensions = fields.number("dimensions", 1..=4_096)?.unwrap_or(DIMENSIONS);
    let dimensions = usize::try_from(dimensions).unwrap_or(usize::MAX);
    let base64 = match fields.text("encoding_format")? {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => {
            let message = "`encoding_format` must be float or base64";
            return Err(Wrong::new("encoding_format", message));
        }
    };
    let mut directives = Directives::default();
    let mut data = Vec::new();
    let mut used = 0;
    for (index, text) in fields.texts("input")?.iter().enumerate() {
        if text.is_empty() {
            return Err(Wrong::new("input", "`input` must not hold an empty string"));
        }
        used += tokens::count(text);
        let vector = vector(&directives.take_from(text)?, dimensions);
        let embedding =
            if base64 { Numbers::Base64(encode(&vector)) } else { Numbers::Float(vector) };
        data.push(Embedding { object: "embedding", index, embedding });
    }
    let usage = json!({"prompt_tokens": used, "total_tokens": used});
    let list =
        List { object: "list", data, model, usage: (!directives.without_usage).then_some(usage) };
    let body = serde_json::to_vec(&list).map_err(|error| {
        Wrong::new("input", format!("the vectors could not be written: {error}"))
    })?;
    Ok((directives, body.into()))
}

/// The unit vector of a text: each word adds one and minus one in places that its hash names.
fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let mut sums = vec![0i32; dimensions];
    let words = || text.split(|char: char| !char.is_alphanumeric()).filter(|word| !word.is_empty());
    for word in words() {
        add(&mut sums, &word.to_lowercase());
    }
    if sums.iter().all(|sum| *sum == 0) {
        // No words, or words that cancel each other out: the text as a whole names one place.
        add_one(&mut sums, tokens::hash(text.as_bytes()));
    }
    let length = sums.iter().map(|sum| f64::from(*sum).powi(2)).sum::<f64>().sqrt();
    sums.into_iter().map(|sum| (f64::from(sum) / length) as f32).collect()
}

fn add(sums: &mut [i32], word: &str) {
    let mut hash = tokens::hash(word.as_bytes());
    for _ in 0..SPREAD {
        add_one(sums, hash);
        hash = tokens::hash(&hash.to_le_bytes());
    }
}

fn add_one(sums: &mut [i32], hash: u64) {
    let places = u64::try_from(sums.len()).unwrap_or(1).max(1);
    // The lowest bit is the sign, the others the place.
    let place = usize::try_from((hash >> 1) % places).unwrap_or(0);
    if let Some(sum) = sums.get_mut(place) {
        *sum += if hash & 1 == 0 { 1 } else { -1 };
    }
}

/// Little-endian floats in base64, as the official SDKs ask for them.
fn encode(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Embedding>,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Value>,
}

#[derive(Serialize)]
struct Embedding {
    object: &'static str,
    index: usize,
    embedding: Numbers,
}

/// Written as they are: a `Value` would turn each `f32` into the longer digits of an `f64`.
#[derive(Serialize)]
#[serde(untagged)]
enum Numbers {
    Float(Vec<f32>),
    Base64(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(body: &Value) -> Value {
        serde_json::from_slice(&answer(body, "m").unwrap().1).unwrap()
    }

    fn nearness(one: &str, other: &str) -> f32 {
        let (one, other) = (vector(one, 256), vector(other, 256));
        one.iter().zip(&other).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn vectors_are_of_unit_length_and_near_when_words_are_shared() {
        for text in ["The cat sat", "!!!", "你好", "word ".repeat(500).as_str()] {
            assert!((nearness(text, text) - 1.0).abs() < 1e-5, "{text}");
            assert!((vector(text, 1).first().unwrap().abs() - 1.0).abs() < 1e-6);
        }
        assert!(nearness("the cat sat", "The CAT slept") > 0.5);
        assert!(nearness("the cat sat", "quarterly revenue report").abs() < 0.4);
    }

    #[test]
    fn both_encodings_hold_the_same_numbers() {
        let floats = document(&json!({"input": ["a", "b"], "dimensions": 8}));
        let coded =
            document(&json!({"input": ["a", "b"], "dimensions": 8, "encoding_format": "base64"}));
        assert_eq!(floats["usage"], json!({"prompt_tokens": 2, "total_tokens": 2}));
        assert_eq!(floats["data"][1]["index"], 1);
        let bytes = STANDARD.decode(coded["data"][1]["embedding"].as_str().unwrap()).unwrap();
        let decoded: Vec<f32> = bytes
            .chunks_exact(4)
            .map(|four| f32::from_le_bytes(four.try_into().unwrap()))
            .collect();
        let plain: Vec<f32> =
            serde_json::from_value(floats["data"][1]["embedding"].clone()).unwrap();
        assert_eq!(decoded, plain);
        assert_eq!(plain.len(), 8);
        let default = document(&json!({"input": "a"}));
        assert_eq!(default["data"][0]["embedding"].as_array().unwrap().len(), 1_536);
    }

    #[test]
    fn vectors_never_change() {
        // Stored vectors must stay comparable with those of a later version.
        assert_eq!(encode(&vector("Kijun", 4)), EXPECTED);
    }
    const EXPECTED: &str = "m+ghv5vooT6b6KE+m+ghPw==";

    #[test]
    fn what_cannot_be_embedded_is_refused() {
        for wrong in [
            json!({}),
            json!({"input": ""}),
            json!({"input": "a", "dimensions": 0}),
            json!({"input": "a", "encoding_format": "hex"}),
        ] {
            assert!(answer(&wrong, "m").is_err(), "{wrong}");
        }
    }

    #[test]
    fn directives_are_no_part_of_the_text() {
        let with = document(&json!({"input": "cat\nsim: usage none", "dimensions": 8}));
        let without = document(&json!({"input": "cat", "dimensions": 8}));
        assert_eq!(with["data"], without["data"]);
        assert_eq!(with.get("usage"), None);
    }
}
