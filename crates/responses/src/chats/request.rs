//! A request whose answer is to be kept: what goes to the provider of it, and what stays with the
//! answer.

use memchr::memmem;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use wire::error::ErrorBody;

use super::members::Members;
use crate::conversations::sent;

/// What is looked for in every request, before any of it is read.
const STORE: &[u8] = b"\"store\"";

/// What a stored completion repeats of its request, and what stands for what was not said.
const ECHO: [(&str, Unsaid); 8] = [
    ("tool_choice", Unsaid::Null),
    ("tools", Unsaid::Null),
    ("seed", Unsaid::Null),
    ("top_p", Unsaid::Number(1.0)),
    ("temperature", Unsaid::Number(1.0)),
    ("presence_penalty", Unsaid::Number(0.0)),
    ("frequency_penalty", Unsaid::Number(0.0)),
    ("response_format", Unsaid::Null),
];

#[derive(Clone, Copy)]
enum Unsaid {
    Null,
    Number(f64),
}

/// Whether a request may ask for its answer to be kept. Most do not, and are read no further here.
pub(super) fn may_ask(body: &[u8]) -> bool {
    memmem::find(body, STORE).is_some()
}

/// A request with `store: true`.
#[derive(Debug)]
pub(super) struct Request<'a> {
    members: Members<'a>,
    metadata: Map<String, Value>,
}

/// What is kept of a request beside its answer.
#[derive(Debug)]
pub(super) struct Asked {
    /// The model's alias.
    pub(super) model: String,
    /// The messages, as a JSON array.
    pub(super) messages: Vec<u8>,
    /// What its metadata is at first.
    pub(super) metadata: Map<String, Value>,
    /// What the stored completion repeats of it.
    pub(super) echo: Map<String, Value>,
    /// Whether the client wants to see the usage of a stream.
    pub(super) shows_usage: bool,
}

impl<'a> Request<'a> {
    /// Reads a request; `None` if its answer is not to be kept, or if it is no request, which the
    /// gateway will say.
    ///
    /// # Errors
    /// What is wrong with `store` or `metadata`.
    pub(super) fn read(body: &'a [u8]) -> Result<Option<Self>, ErrorBody> {
        let Some(members) = Members::read(body) else { return Ok(None) };
        for name in ["store", "metadata"] {
            if members.count(name) > 1 {
                return Err(repeated(name));
            }
        }
        match members.get("store") {
            None | Some("null" | "false") => Ok(None),
            Some("true") => {
                let metadata = members.get("metadata").map(value);
                Ok(Some(Self { metadata: sent::metadata(metadata)?, members }))
            }
            Some(other) => Err(sent::wrong_type("store", "a boolean", &value(other))),
        }
    }

    /// The body for the provider, who is to keep nothing: the state is ours.
    pub(super) fn unstored(mut self) -> Vec<u8> {
        self.members.remove("store");
        self.members.remove("metadata");
        self.members.to_json()
    }

    /// The body for the provider, and what stays here. A stream is asked for its usage, which is
    /// kept whether the client wants to see it or not.
    pub(super) fn split(mut self) -> (Vec<u8>, Asked) {
        let options = match self.members.get("stream_options") {
            None | Some("null") => "{}",
            Some(options) => options,
        };
        let options = Members::read(options.as_bytes());
        let said = options.as_ref().and_then(|options| options.get("include_usage"));
        let shows_usage = said == Some("true");
        let silent = matches!(said, None | Some("null" | "false"));
        let asked = self.asked(shows_usage);
        if let Some(mut options) = options.filter(|_| silent)
            && self.members.get("stream") == Some("true")
        {
            options.put("include_usage", raw("true"));
            let options = String::from_utf8(options.to_json()).unwrap_or_default();
            self.members.put("stream_options", raw(&options));
        }
        (self.unstored(), asked)
    }

    fn asked(&self, shows_usage: bool) -> Asked {
        let said = |name: &str| self.members.get(name).map(value).filter(|said| !said.is_null());
        let mut echo = Map::new();
        for (name, unsaid) in ECHO {
            let unsaid = match unsaid {
                Unsaid::Null => Value::Null,
                Unsaid::Number(number) => Value::from(number),
            };
            echo.insert(name.to_owned(), said(name).unwrap_or(unsaid));
        }
        echo.insert("input_user".to_owned(), said("user").unwrap_or_default());
        Asked {
            model: said("model").as_ref().and_then(Value::as_str).unwrap_or_default().to_owned(),
            messages: self.members.get("messages").unwrap_or("[]").as_bytes().to_vec(),
            metadata: self.metadata.clone(),
            echo,
            shows_usage,
        }
    }
}

fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_default()
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

fn repeated(name: &str) -> ErrorBody {
    let message =
        format!("The request body is ambiguous: duplicate field `{name}`. Send each field once.");
    ErrorBody::invalid_request(message).at(name).coded("duplicate_field")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(body: &str) -> Result<Option<Request<'_>>, ErrorBody> {
        Request::read(body.as_bytes())
    }

    #[test]
    fn most_requests_are_not_kept() {
        for body in [
            r#"{"model":"m","messages":[]}"#,
            r#"{"store":false}"#,
            r#"{"store":null,"metadata":5}"#,
            r#"{"tools":[{"store":true}]}"#,
            r#"{"user":"store","messages":[{"content":"\"store\":true"}]}"#,
            r#"["store"]"#,
            r#"{"store":true"#,
        ] {
            assert!(read(body).unwrap().is_none(), "{body}");
        }
        assert!(!may_ask(br#"{"model":"m","messages":[{"content":"\"store\":true"}]}"#));
        assert!(may_ask(br#"{"store" : true}"#));
    }

    #[test]
    fn the_state_is_ours() {
        let body = r#"{"model":"m","store":true,"seed":123456789012345678901,"metadata":{"a":"b"},"messages":[{"role":"user","content":"Hi"}]}"#;
        let (upstream, asked) = read(body).unwrap().unwrap().split();
        let expected = r#"{"model":"m","seed":123456789012345678901,"messages":[{"role":"user","content":"Hi"}]}"#;
        assert_eq!(String::from_utf8(upstream).unwrap(), expected);
        assert_eq!(asked.messages, br#"[{"role":"user","content":"Hi"}]"#);
        assert_eq!(asked.metadata.get("a"), Some(&json!("b")));
        assert_eq!(asked.echo.get("temperature"), Some(&json!(1.0)));
        assert_eq!(asked.echo.get("tools"), Some(&Value::Null));
    }

    #[test]
    fn a_stream_is_asked_for_its_usage() {
        for (options, shows, upstream) in [
            ("", false, json!({"include_usage": true})),
            (r#","stream_options":null"#, false, json!({"include_usage": true})),
            (
                r#","stream_options":{"include_obfuscation":false}"#,
                false,
                json!({"include_obfuscation": false, "include_usage": true}),
            ),
            (r#","stream_options":{"include_usage":true}"#, true, json!({"include_usage": true})),
            // The gateway refuses these.
            (r#","stream_options":{"include_usage":5}"#, false, json!({"include_usage": 5})),
            (r#","stream_options":5"#, false, json!(5)),
        ] {
            let body = format!(r#"{{"store":true,"stream":true{options}}}"#);
            let (sent, asked) = read(&body).unwrap().unwrap().split();
            let sent: Value = serde_json::from_slice(&sent).unwrap();
            assert_eq!((&sent["stream_options"], asked.shows_usage), (&upstream, shows), "{body}");
        }
        let (sent, _) = read(r#"{"store":true}"#).unwrap().unwrap().split();
        assert_eq!(sent, b"{}");
    }

    #[test]
    fn what_is_ambiguous_or_of_another_type_is_refused() {
        for (body, param) in [
            (r#"{"store":"true"}"#, "store"),
            (r#"{"store":true,"store":false}"#, "store"),
            (r#"{"store":true,"metadata":{},"metadata":{}}"#, "metadata"),
            (r#"{"store":true,"metadata":[]}"#, "metadata"),
        ] {
            assert_eq!(read(body).unwrap_err().param.as_deref(), Some(param), "{body}");
        }
    }
}
