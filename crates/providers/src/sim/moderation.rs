//! Moderations: the official shape around a verdict that is scripted. It judges nothing, and its
//! model's name says so.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::directive::Directives;
use super::request::{Fields, Wrong};

/// The categories of OpenAI's moderation API.
pub(super) const CATEGORIES: [&str; 13] = [
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
];

/// Those of them that the API applies to images too.
const OF_IMAGES: [&str; 6] = [
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "violence",
    "violence/graphic",
];

/// The name under which the verdict is given, whatever model was asked for.
const MODEL: &str = "kijun-sim-moderation (scripted: it judges nothing)";

/// Reads a moderations request and answers it: nothing is flagged but what `sim: flag` asks for.
pub(super) fn answer(body: &Value, id: &str) -> Result<(Directives, Bytes), Wrong> {
    let mut directives = Directives::default();
    let mut results = Vec::new();
    for input in inputs(Fields::of(body)?)? {
        let mut own = Directives::default();
        own.take_from(&input.text)?;
        results.push(result(&own.flags, &input));
        directives.take_from(&input.text)?;
    }
    let document = json!({"id": id, "model": MODEL, "results": results});
    Ok((directives, document.to_string().into()))
}

/// What one verdict is about.
#[derive(Debug, Default)]
struct Input {
    text: String,
    /// Whether there is text, and whether there is an image.
    has_text: bool,
    has_image: bool,
}

fn inputs(fields: Fields<'_>) -> Result<Vec<Input>, Wrong> {
    let parts = match fields.required("input")? {
        Value::Array(parts) if parts.first().is_some_and(Value::is_object) => parts,
        _ => {
            let texts = fields.texts("input")?.into_iter();
            return Ok(texts
                .map(|text| Input { text, has_text: true, has_image: false })
                .collect());
        }
    };
    // Parts make one input together.
    let mut input = Input::default();
    for part in parts {
        match part.get("type").and_then(Value::as_str) {
            Some("text") => {
                let text = part.get("text").and_then(Value::as_str).unwrap_or_default();
                input.text.push_str(text);
                input.text.push('\n');
                input.has_text = true;
            }
            Some("image_url") => input.has_image = true,
            _ => {
                return Err(Wrong::new("input", "`input` parts must be of type text or image_url"));
            }
        }
    }
    Ok(vec![input])
}

fn result(flags: &[String], input: &Input) -> Value {
    let flagged = |category: &str| flags.iter().any(|flag| flag == category);
    let each = |value: &dyn Fn(&str) -> Value| -> Map<String, Value> {
        CATEGORIES.iter().map(|category| ((*category).to_owned(), value(category))).collect()
    };
    let applied = |category: &str| {
        let mut types = Vec::new();
        if input.has_text {
            types.push("text");
        }
        if input.has_image && OF_IMAGES.contains(&category) {
            types.push("image");
        }
        json!(types)
    };
    json!({
        "flagged": !flags.is_empty(),
        "categories": each(&|category| flagged(category).into()),
        // Nothing was weighed, so there is nothing between the two ends.
        "category_scores": each(&|category| if flagged(category) { 1.0 } else { 0.0 }.into()),
        "category_applied_input_types": each(&applied),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(input: &Value) -> Value {
        serde_json::from_slice(&answer(&json!({"input": input}), "modr-1").unwrap().1).unwrap()
    }

    #[test]
    fn each_text_has_a_verdict_and_only_directives_flag() {
        let answer = document(&json!(["I will hurt you", "sim: flag violence\nHello"]));
        assert_eq!(answer["id"], "modr-1");
        assert!(answer["model"].as_str().unwrap().contains("scripted"));
        let results = answer["results"].as_array().unwrap();
        assert_eq!(results.len(), 2);
        assert_eq!(results[0]["flagged"], false);
        assert_eq!(results[1]["flagged"], true);
        assert_eq!(results[1]["categories"]["violence"], true);
        assert_eq!(results[1]["categories"]["hate"], false);
        assert_eq!(results[1]["category_scores"]["violence"], 1.0);
        assert_eq!(results[0]["categories"].as_object().unwrap().len(), CATEGORIES.len());
    }

    #[test]
    fn parts_make_one_verdict() {
        let answer = document(&json!([
            {"type": "text", "text": "Hello"},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        ]));
        assert_eq!(answer["results"].as_array().unwrap().len(), 1);
        let types = &answer["results"][0]["category_applied_input_types"];
        assert_eq!(types["violence"], json!(["text", "image"]));
        assert_eq!(types["hate"], json!(["text"]));
    }

    #[test]
    fn unknown_parts_are_refused() {
        assert!(answer(&json!({"input": [{"type": "audio"}]}), "m").is_err());
        assert!(answer(&json!({}), "m").is_err());
    }
}
