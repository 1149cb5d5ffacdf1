//! One event of a response, as it leaves over server-sent events or a WebSocket, and the two
//! shapes of an error there.

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value, json};

use crate::error::ErrorBody;

/// An event.
#[derive(Clone, PartialEq)]
pub struct Event {
    /// Its type, e.g. `response.output_text.delta`.
    pub kind: Cow<'static, str>,
    /// Its number in the stream, from 0.
    pub sequence_number: u64,
    /// The whole event, `type` and `sequence_number` included.
    pub body: Value,
}

impl Event {
    /// An event whose body begins with its type and number.
    pub(super) fn new(
        kind: Cow<'static, str>,
        sequence_number: u64,
        fill: impl FnOnce(&mut Map<String, Value>),
    ) -> Self {
        let mut body = Map::new();
        body.insert("type".to_owned(), Value::from(&*kind));
        body.insert("sequence_number".to_owned(), Value::from(sequence_number));
        fill(&mut body);
        Self { kind, sequence_number, body: Value::Object(body) }
    }

    /// The event as a WebSocket frame holds it.
    pub fn to_json(&self) -> Vec<u8> {
        self.body.to_string().into_bytes()
    }

    /// The event as a server-sent event.
    pub fn to_sse(&self) -> Vec<u8> {
        format!("event: {}\ndata: {}\n\n", self.kind, self.body).into_bytes()
    }

    /// Whether nothing comes after it.
    pub fn is_terminal(&self) -> bool {
        matches!(
            &*self.kind,
            "response.completed" | "response.incomplete" | "response.failed" | "error"
        )
    }
}

/// Without the body, which is content.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("kind", &self.kind)
            .field("sequence_number", &self.sequence_number)
            .finish_non_exhaustive()
    }
}

/// An error in a stream of server-sent events: flat.
pub fn error_event(error: &ErrorBody, sequence_number: u64) -> Event {
    Event::new(Cow::Borrowed("error"), sequence_number, |body| {
        body.insert("code".to_owned(), json!(error.code));
        body.insert("message".to_owned(), json!(error.message));
        body.insert("param".to_owned(), json!(error.param));
    })
}

/// An error on a WebSocket: nested, with the status that HTTP would have.
pub fn socket_error(status: u16, error: &ErrorBody) -> Vec<u8> {
    let error = json!({
        "type": error.kind, "code": error.code, "message": error.message, "param": error.param,
    });
    json!({ "type": "error", "status": status, "error": error }).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error() -> ErrorBody {
        ErrorBody::invalid_request("No \"such\" thing.").at("input").coded("gone")
    }

    #[test]
    fn an_error_is_flat_in_a_stream_and_nested_on_a_socket() {
        let event = error_event(&error(), 7);
        assert!(event.is_terminal());
        let flat = json!({
            "type": "error", "sequence_number": 7, "code": "gone", "message": "No \"such\" thing.",
            "param": "input",
        });
        assert_eq!(event.body, flat);
        let nested: Value = serde_json::from_slice(&socket_error(400, &error())).unwrap();
        let expected = json!({ "type": "error", "status": 400, "error": {
            "type": "invalid_request_error", "code": "gone", "message": "No \"such\" thing.",
            "param": "input",
        } });
        assert_eq!(nested, expected);
    }

    #[test]
    fn an_event_is_named_twice_and_has_one_line_of_data() {
        let event = Event::new(Cow::Borrowed("response.x"), 3, |body| {
            body.insert("delta".to_owned(), Value::from("a\nb"));
        });
        let json = r#"{"type":"response.x","sequence_number":3,"delta":"a\nb"}"#;
        assert_eq!(event.to_json(), json.as_bytes());
        assert_eq!(event.to_sse(), format!("event: response.x\ndata: {json}\n\n").as_bytes());
        assert!(!event.is_terminal());
        assert!(!format!("{event:?}").contains("delta"), "content stays out of logs");
    }
}
