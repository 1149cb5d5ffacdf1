//! The meter of the Responses API's own streams and documents.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::StreamMeter;
use super::output::{OutputText, Text};
use crate::error::ErrorBody;
use crate::span::object;

/// An event, as far as it is metered.
#[derive(Deserialize)]
struct ResponseEvent<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Text<'a>,
    #[serde(borrow, default)]
    delta: Text<'a>,
    #[serde(borrow)]
    response: Option<Response<'a>>,
}

/// A response, as far as it is metered.
#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    service_tier: Option<&'a RawValue>,
    #[serde(borrow)]
    output: Option<Vec<Item<'a>>>,
}

/// What a model wrote in one item.
#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, default)]
    content: Text<'a>,
    #[serde(borrow, default)]
    summary: Text<'a>,
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    arguments: Text<'a>,
    #[serde(borrow, default)]
    input: Text<'a>,
}

impl StreamMeter {
    /// Reads one event of a stream of the Responses API.
    pub(super) fn read_response(&mut self, json: &str) {
        let Some(event) = object::<ResponseEvent<'_>>(json) else { return };
        match event.kind.as_str() {
            "response.completed" | "response.incomplete" => self.done = true,
            "response.failed" | "error" => {
                self.done = true;
                self.error.get_or_insert_with(|| ErrorBody::from_upstream(500, json.as_bytes()));
            }
            kind if kind.ends_with(".delta") => self.output.push(&event.delta),
            _ => {}
        }
        let Some(response) = event.response else { return };
        let usage = response.usage.map(RawValue::get);
        if let Some(usage) = usage.filter(|usage| usage.starts_with('{')) {
            self.usage = Some(Bytes::copy_from_slice(usage.as_bytes()));
            self.service_tier = response.service_tier.and_then(super::text);
        }
    }
}

/// Adds what the model wrote in a whole response.
pub(super) fn add_whole(output: &mut OutputText, body: &[u8]) {
    let response: Option<Response<'_>> = std::str::from_utf8(body).ok().and_then(object);
    for item in response.and_then(|response| response.output).into_iter().flatten() {
        for text in [&item.content, &item.summary, &item.name, &item.arguments, &item.input] {
            output.push(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use kernel::{Operation, Usage};

    use super::*;
    use crate::meter::output_text;

    #[test]
    fn a_stream_of_responses_is_metered() {
        let mut meter = StreamMeter::of_response();
        for event in [
            "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"usage\":null}}\n\n",
            "data: {\"type\":\"response.output_text.delta\",\"delta\":\"Hel\"}\n\n",
            "data: {\"type\":\"response.function_call_arguments.delta\",\"delta\":\"lo\"}\n\n",
        ] {
            meter.read(&Bytes::from(event));
        }
        assert_eq!(meter.output().text, "Hello");
        assert!(!meter.is_done() && meter.usage().is_none());
        let usage = "{\"input_tokens\":5,\"output_tokens\":2}";
        let last = format!(
            "data: {{\"type\":\"response.completed\",\"response\":{{\"usage\":{usage}}}}}\n\n"
        );
        meter.read(&Bytes::from(last));
        assert!(meter.is_done() && meter.error().is_none());
        assert_eq!(meter.usage(), Some(Usage { input: 5, output: 2, ..Usage::default() }));
    }

    #[test]
    fn a_failed_response_is_an_error() {
        let mut meter = StreamMeter::of_response();
        meter.read(&Bytes::from_static(
            b"data: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"no\"}\n\n",
        ));
        assert!(meter.is_done() && meter.error().is_some());
    }

    #[test]
    fn the_text_of_a_whole_response_is_read() {
        let body = br#"{"output":[{"type":"reasoning","content":[{"text":"a"}],"summary":[]},
            {"type":"function_call","name":"f","arguments":"{}"},
            {"type":"message","content":[{"type":"output_text","text":"b"}]}]}"#;
        assert_eq!(output_text(Operation::Responses, body).text, "af{}b");
    }
}
