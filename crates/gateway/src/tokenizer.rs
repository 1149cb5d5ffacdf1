//! Token counts, where a provider reports none.
//!
//! OpenAI's own models are counted with their own vocabularies: the text itself exactly, a chat
//! by the published rule for its framing. Every other model is counted with `o200k_base`, which is
//! an estimate; calls counted here are marked `estimated` in either case.
//!
//! Nothing is loaded: the crate `vocabulary` searches its tables where they lie in the binary. In a
//! release build the first count adds 0.2 MB of resident memory, and counts of every kind of text
//! 4 MB for `o200k_base` and 2 MB for `cl100k_base`. Prose and JSON are counted at some 80 MB/s,
//! the worst of texts (a megabyte of random letters) at 7; settlement bounds what it has counted.

use kernel::Operation;
use serde_json::Value;
use vocabulary::{CL100K_BASE, O200K_BASE, Vocabulary};

/// What is taken for a token where a text is not counted: before a call, and where it is too long.
pub(crate) const BYTES_PER_TOKEN: u64 = 4;
/// What frames each message of a chat, and what primes the answer.
const PER_MESSAGE: u64 = 3;
const PRIMING: u64 = 3;
/// A name takes the place of nothing, so it costs one more.
const PER_NAME: u64 = 1;
/// OpenAI's flat price of an image at low detail.
const LOW_DETAIL_IMAGE: u64 = 85;
/// An image whose size is not known, at high detail: 1024 x 1024, four tiles of 170 and the base.
/// A page of a file is taken for one of these.
const IMAGE: u64 = 765;
/// Ten tokens a second: bytes of a token in 24 kHz, 16-bit PCM, and in MP3 at 128 kbit/s.
const WAV_BYTES_PER_TOKEN: u64 = 4_800;
const MP3_BYTES_PER_TOKEN: u64 = 1_600;

/// Tokens of a text.
pub fn count_text(model: &str, text: &str) -> u64 {
    vocabulary(model).count(text)
}

/// Input tokens of a request: its messages, tools and prompts, images and audio at flat rates.
/// What is no JSON, or no request, is counted as text.
pub fn count_request(model: &str, operation: Operation, body: &[u8]) -> u64 {
    let vocabulary = vocabulary(model);
    let Ok(request) = serde_json::from_slice::<Value>(body) else {
        return vocabulary.count(&String::from_utf8_lossy(body));
    };
    match operation {
        Operation::ChatCompletions => chat(vocabulary, &request),
        Operation::Responses => response(vocabulary, &request),
        Operation::Completions => {
            let suffix = request.get("suffix").map_or(0, |suffix| input(vocabulary, suffix));
            suffix + request.get("prompt").map_or(0, |prompt| input(vocabulary, prompt))
        }
        Operation::Embeddings | Operation::Moderations => {
            request.get("input").map_or(0, |value| input(vocabulary, value))
        }
    }
}

/// GPT-4, GPT-3.5 and the text embeddings have the older vocabulary.
fn vocabulary(model: &str) -> &'static Vocabulary {
    let name = model.rsplit('/').next().unwrap_or(model);
    let name = name.strip_prefix("ft:").unwrap_or(name);
    let older = name == "gpt-4"
        || ["gpt-4-", "gpt-3.5", "gpt-35", "text-embedding-", "davinci-002", "babbage-002"]
            .iter()
            .any(|start| name.starts_with(start));
    if older { &CL100K_BASE } else { &O200K_BASE }
}

fn chat(vocabulary: &Vocabulary, request: &Value) -> u64 {
    let messages = request.get("messages").and_then(Value::as_array);
    let messages: u64 =
        messages.into_iter().flatten().map(|message| self::message(vocabulary, message)).sum();
    let definitions: u64 = ["tools", "functions", "response_format"]
        .into_iter()
        .filter_map(|field| request.get(field))
        .filter(|definition| !definition.is_null())
        .map(|definition| vocabulary.count(&definition.to_string()))
        .sum();
    messages + definitions + PRIMING
}

/// A response's input is framed like a chat's messages; tools and the format of its text count as
/// they are written.
fn response(vocabulary: &Vocabulary, request: &Value) -> u64 {
    let items = match request.get("input") {
        Some(Value::Array(items)) => items.iter().map(|item| message(vocabulary, item)).sum(),
        Some(text) => PER_MESSAGE + json(vocabulary, text),
        None => 0,
    };
    let definitions: u64 = ["instructions", "tools", "text"]
        .into_iter()
        .filter_map(|field| request.get(field))
        .map(|definition| json(vocabulary, definition))
        .sum();
    items + definitions + PRIMING
}

fn message(vocabulary: &Vocabulary, message: &Value) -> u64 {
    let Some(fields) = message.as_object() else {
        return PER_MESSAGE + json(vocabulary, message);
    };
    let fields: u64 = fields
        .iter()
        .map(|(name, value)| match (name.as_str(), value) {
            (_, Value::Null) => 0,
            ("content", Value::Array(parts)) => {
                parts.iter().map(|part| self::part(vocabulary, part)).sum()
            }
            ("name", value) => PER_NAME + json(vocabulary, value),
            (_, value) => json(vocabulary, value),
        })
        .sum();
    PER_MESSAGE + fields
}

/// One part of a message's content. Data inside it (base64) is never counted as text.
fn part(vocabulary: &Vocabulary, part: &Value) -> u64 {
    let text = |name: &str| part.get(name).map_or(0, |value| json(vocabulary, value));
    match part.get("type").and_then(Value::as_str) {
        Some("text" | "input_text" | "output_text" | "reasoning_text") => text("text"),
        Some("refusal") => text("refusal"),
        Some("image_url" | "input_image") => image(part),
        Some("input_audio") => audio(part),
        Some("file" | "input_file") => IMAGE,
        _ => json(vocabulary, part),
    }
}

fn image(part: &Value) -> u64 {
    let inner = part.get("image_url").and_then(|image| image.get("detail"));
    match inner.or_else(|| part.get("detail")).and_then(Value::as_str) {
        Some("low") => LOW_DETAIL_IMAGE,
        _ => IMAGE,
    }
}

fn audio(part: &Value) -> u64 {
    let field = |name| part.pointer(name).and_then(Value::as_str).unwrap_or_default();
    let encoded = u64::try_from(field("/input_audio/data").len()).unwrap_or(u64::MAX);
    let bytes = encoded / 4 * 3;
    bytes.div_ceil(match field("/input_audio/format") {
        "mp3" => MP3_BYTES_PER_TOKEN,
        _ => WAV_BYTES_PER_TOKEN,
    })
}

/// A prompt or an input: a text, token ids, or a list of either.
fn input(vocabulary: &Vocabulary, value: &Value) -> u64 {
    match value {
        Value::String(text) => vocabulary.count(text),
        Value::Number(_) => 1,
        Value::Array(items) => items.iter().map(|item| input(vocabulary, item)).sum(),
        Value::Object(_) => part(vocabulary, value),
        Value::Null | Value::Bool(_) => 0,
    }
}

/// A text as it is; anything else as its JSON.
fn json(vocabulary: &Vocabulary, value: &Value) -> u64 {
    match value {
        Value::String(text) => vocabulary.count(text),
        Value::Null => 0,
        other => vocabulary.count(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn chat_tokens(model: &str, body: &Value) -> u64 {
        count_request(model, Operation::ChatCompletions, body.to_string().as_bytes())
    }

    fn one_part(part: &Value) -> u64 {
        chat_tokens("gpt-4o", &json!({"messages": [{"role": "user", "content": [part]}]}))
            - chat_tokens("gpt-4o", &json!({"messages": [{"role": "user", "content": []}]}))
    }

    #[test]
    fn each_model_has_its_vocabulary() {
        // The Japanese greeting is one of the words that the two vocabularies split differently.
        let text = "こんにちは世界";
        let (older, newer) = (count_text("gpt-4", text), count_text("gpt-4o", text));
        assert!(newer < older, "{newer} {older}");
        for model in ["gpt-4-0613", "gpt-3.5-turbo", "openai/gpt-4", "text-embedding-3-small"] {
            assert_eq!(count_text(model, text), older, "{model}");
        }
        for model in ["gpt-4.1", "gpt-5-mini", "o3", "claude-opus-5", "llama", ""] {
            assert_eq!(count_text(model, text), newer, "{model}");
        }
    }

    #[test]
    fn a_chat_is_counted_as_the_cookbook_does() {
        // The example of OpenAI's cookbook, whose count the API itself reports: 129 for the older
        // vocabulary, 124 for the newer one.
        let example =
            |name: &str, content: &str| json!({"role": "system", "name": name, "content": content});
        let body = json!({"messages": [
            {"role": "system", "content": "You are a helpful, pattern-following assistant that translates corporate jargon into plain English."},
            example("example_user", "New synergies will help drive top-line growth."),
            example("example_assistant", "Things working well together will increase revenue."),
            example("example_user", "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage."),
            example("example_assistant", "Let's talk later when we're less busy about how to do better."),
            {"role": "user", "content": "This late pivot means we don't have time to boil the ocean for the client deliverable."},
        ]});
        assert_eq!(chat_tokens("gpt-4-0613", &body), 129);
        assert_eq!(chat_tokens("gpt-4o", &body), 124);
    }

    #[test]
    fn text_parts_count_as_their_text() {
        let whole = json!({"messages": [{"role": "user", "content": "one two three"}]});
        let parts = json!({"messages": [{"role": "user", "content": [
            {"type": "text", "text": "one two three"},
        ]}]});
        assert_eq!(chat_tokens("gpt-4o", &whole), chat_tokens("gpt-4o", &parts));
    }

    #[test]
    fn images_files_and_audio_have_flat_rates_whatever_their_data() {
        let data = "A".repeat(96_000);
        let url = format!("data:image/png;base64,{data}");
        let image =
            |detail| json!({"type": "image_url", "image_url": {"url": url, "detail": detail}});
        assert_eq!(one_part(&image("low")), 85);
        assert_eq!(one_part(&image("high")), 765);
        assert_eq!(one_part(&json!({"type": "image_url", "image_url": {"url": url}})), 765);
        assert_eq!(one_part(&json!({"type": "file", "file": {"file_data": data}})), 765);
        let audio = |format| json!({"type": "input_audio", "input_audio": {"data": data, "format": format}});
        assert_eq!(one_part(&audio("wav")), 15);
        assert_eq!(one_part(&audio("mp3")), 45);
    }

    #[test]
    fn definitions_are_part_of_the_input() {
        let plain = json!({"messages": []});
        let tools = json!([{"type": "function", "function": {"name": "weather"}}]);
        let with_tools = json!({"messages": [], "tools": tools});
        let more = chat_tokens("gpt-4o", &with_tools) - chat_tokens("gpt-4o", &plain);
        assert_eq!(more, count_text("gpt-4o", &tools.to_string()));
        let with_null = json!({"messages": [], "tools": null});
        assert_eq!(chat_tokens("gpt-4o", &with_null), chat_tokens("gpt-4o", &plain));
    }

    #[test]
    fn inputs_are_texts_token_ids_or_lists_of_them() {
        let count = |input: Value| {
            let body = json!({"input": input}).to_string();
            count_request("text-embedding-3-small", Operation::Embeddings, body.as_bytes())
        };
        let hello = count_text("text-embedding-3-small", "hello world");
        assert_eq!(count(json!("hello world")), hello);
        assert_eq!(count(json!(["hello world", "hello world"])), 2 * hello);
        assert_eq!(count(json!([15339, 1917])), 2);
        assert_eq!(count(json!([[15339, 1917], [15339]])), 3);
        assert_eq!(count(json!(null)), 0);
        let body = json!({"prompt": ["hello world"], "suffix": "hello world"}).to_string();
        let completion =
            count_request("text-embedding-3-small", Operation::Completions, body.as_bytes());
        assert_eq!(completion, 2 * hello);
    }

    #[test]
    fn what_is_no_request_is_still_counted() {
        for body in ["", "{", "[]", "7", "{\"messages\": 3}", "{\"messages\": [3, null, [[]]]}"] {
            for operation in Operation::ALL {
                let count = count_request("gpt-4o", operation, body.as_bytes());
                assert!(count < 100, "{operation} {body}: {count}");
            }
        }
        let deep = "[".repeat(100_000);
        assert!(count_request("gpt-4o", Operation::Embeddings, deep.as_bytes()) > 0);
        assert!(count_request("gpt-4o", Operation::ChatCompletions, &[0xff, 0xfe, 0x00]) > 0);
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd_and_none_has_more_tokens_than_bytes(text in "\\PC*|[\\s\\x00]*") {
            let bytes = u64::try_from(text.len()).unwrap();
            prop_assert!(count_text("gpt-4o", &text) <= bytes);
            prop_assert!(count_text("gpt-4", &text) <= bytes);
        }
    }
}
