//! Small pieces of a chat as the Responses API writes them.

use serde_json::{Map, Value, json};

/// The input of a custom tool, which a chat gave as the one argument of a function.
pub(super) fn custom_input(arguments: &str) -> String {
    match serde_json::from_str(arguments) {
        Ok(Value::Object(mut fields)) => match fields.remove("input") {
            Some(Value::String(input)) => input,
            Some(input) => input.to_string(),
            None => match fields.values().next() {
                Some(Value::String(input)) if fields.len() == 1 => input.clone(),
                _ => arguments.to_owned(),
            },
        },
        Ok(Value::String(input)) => input,
        _ => arguments.to_owned(),
    }
}

/// An annotation, flat.
pub(super) fn annotation(said: &Value) -> Option<Value> {
    let cited = said.get("url_citation").unwrap_or(said);
    let url = cited.get("url")?.as_str()?;
    let index = |name| cited.get(name).and_then(Value::as_u64).unwrap_or(0);
    let title = cited.get("title").and_then(Value::as_str).unwrap_or_default();
    Some(json!({
        "type": "url_citation",
        "start_index": index("start_index"),
        "end_index": index("end_index"),
        "url": url,
        "title": title,
    }))
}

/// Log probabilities, with every field that strict clients want.
pub(super) fn logprobs(said: Option<&Value>) -> Vec<Value> {
    said.and_then(Value::as_array).into_iter().flatten().filter_map(logprob).collect()
}

fn logprob(said: &Value) -> Option<Value> {
    let mut token = token(said)?;
    let top = said.get("top_logprobs").and_then(Value::as_array);
    let top: Vec<_> = top.into_iter().flatten().filter_map(self::token).collect();
    token.insert("top_logprobs".to_owned(), top.into_iter().map(Value::Object).collect());
    Some(Value::Object(token))
}

fn token(said: &Value) -> Option<Map<String, Value>> {
    let token = said.get("token")?.as_str()?;
    let logprob = said.get("logprob").filter(|logprob| logprob.is_number())?;
    let bytes = said.get("bytes").filter(|bytes| bytes.is_array()).cloned();
    let bytes = bytes.unwrap_or_else(|| Value::Array(Vec::new()));
    let fields = [("token", Value::from(token)), ("logprob", logprob.clone()), ("bytes", bytes)];
    Some(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// The base64 of an image that a chat gave as a `data:` URL, with its format.
pub(super) fn image(said: &Value) -> Option<(&str, &str)> {
    let url = said.get("image_url")?;
    let url = url.get("url").unwrap_or(url).as_str()?;
    let (media_type, base64) = url.strip_prefix("data:")?.split_once(";base64,")?;
    Some((media_type.strip_prefix("image/").unwrap_or("png"), base64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_input_of_a_custom_tool_is_found() {
        for (arguments, input) in [
            (r#"{"input":"*** Begin\n"}"#, "*** Begin\n"),
            (r#"{"input":{"a":1}}"#, r#"{"a":1}"#),
            (r#"{"patch":"p"}"#, "p"),
            (r#"{"a":"p","b":"q"}"#, r#"{"a":"p","b":"q"}"#),
            (r#""text""#, "text"),
            ("plain text", "plain text"),
            ("", ""),
        ] {
            assert_eq!(custom_input(arguments), input);
        }
    }

    #[test]
    fn annotations_and_log_probabilities_are_made_whole() {
        let nested = json!({"type": "url_citation", "url_citation": {"url": "u", "end_index": 3}});
        let flat = json!({
            "type": "url_citation", "start_index": 0, "end_index": 3, "url": "u", "title": "",
        });
        assert_eq!(annotation(&nested), Some(flat.clone()));
        assert_eq!(annotation(&flat), Some(flat));
        assert_eq!(annotation(&json!({"type": "other"})), None);
        let said = json!([{"token": "a", "logprob": -0.5, "bytes": null,
            "top_logprobs": [{"token": "b", "logprob": -1, "bytes": [98]}, {"token": 1}]}, 7]);
        let whole = json!([{"token": "a", "logprob": -0.5, "bytes": [],
            "top_logprobs": [{"token": "b", "logprob": -1, "bytes": [98]}]}]);
        assert_eq!(Value::Array(logprobs(Some(&said))), whole);
    }

    #[test]
    fn an_image_is_taken_out_of_its_url() {
        let said =
            json!({"type": "image_url", "image_url": {"url": "data:image/webp;base64,AAA="}});
        assert_eq!(image(&said), Some(("webp", "AAA=")));
        assert_eq!(image(&json!({"image_url": {"url": "https://example.com/a.png"}})), None);
    }
}
