//! The error body of the OpenAI API, and what other servers send in its place.

use std::borrow::Cow;

use bytes::Bytes;
use kernel::catalog::FailureClass;
use serde_json::{Map, Value, json};

/// The longest message that is made of a text that is no JSON: a proxy's error page, say.
const LONGEST_TEXT: usize = 300;

/// OpenAI's error: `{"error": {"message", "type", "param", "code"}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorBody {
    /// What went wrong and how to mend it.
    pub message: String,
    /// `type`: `invalid_request_error`, `server_error`, ...
    pub kind: String,
    /// The field of the request that is at fault.
    pub param: Option<String>,
    /// A name for programs: `model_not_found`, `rate_limit_exceeded`, ...
    pub code: Option<String>,
}

impl ErrorBody {
    /// An error of the request itself.
    pub fn invalid_request(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            kind: "invalid_request_error".to_owned(),
            param: None,
            code: None,
        }
    }

    /// A fault of ours or of a provider's.
    pub fn server_error(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            kind: "server_error".to_owned(),
            param: None,
            code: Some("server_error".to_owned()),
        }
    }

    /// The same error, at this field of the request.
    #[must_use]
    pub fn at(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// The same error, with this name for programs.
    #[must_use]
    pub fn coded(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Reads what a server said with an error status, whatever its shape.
    pub fn from_upstream(status: u16, body: &[u8]) -> Self {
        let said = Said::read(body);
        let message = said.message.filter(|message| !message.trim().is_empty());
        Self {
            message: message.unwrap_or_else(|| format!("The provider answered {status}.")),
            kind: said.kind.unwrap_or_else(|| kind_of(status).to_owned()),
            param: said.param,
            code: said.code.or(said.status),
        }
    }

    /// The envelope as JSON, with explicit nulls.
    pub fn to_json(&self) -> Vec<u8> {
        self.to_value().to_string().into_bytes()
    }

    /// The envelope as a value.
    pub fn to_value(&self) -> Value {
        json!({ "error": {
            "message": self.message, "type": self.kind, "param": self.param, "code": self.code,
        } })
    }
}

/// Whether a body already is OpenAI's envelope, so that it can be handed on unchanged.
pub fn is_envelope(body: &[u8]) -> bool {
    let parsed: Result<Value, _> = serde_json::from_slice(body);
    let Ok(value) = parsed else { return false };
    let text =
        |key| value.get("error").and_then(|error| error.get(key)).is_some_and(Value::is_string);
    text("message") && text("type")
}

/// A server's error body as OpenAI's envelope: unchanged if it is one, else completed where its
/// `error` is an object with a message, else made anew.
pub fn envelope(status: u16, body: &Bytes) -> Bytes {
    if is_envelope(body) {
        return body.clone();
    }
    let error = ErrorBody::from_upstream(status, body);
    let mut envelope = error.to_value();
    if let Ok(Value::Object(mut said)) = serde_json::from_slice(body)
        && let Some(Value::Object(inner)) = said.get_mut("error")
        && inner.get("message").is_some_and(Value::is_string)
        && let Some(Value::Object(complete)) = envelope.get_mut("error")
    {
        for (key, value) in std::mem::take(complete) {
            // Clients read the type as a text, whatever else may be there.
            let lacks = |said: &Value| said.is_null() || key == "type" && !said.is_string();
            if inner.get(&key).is_none_or(lacks) {
                inner.insert(key, value);
            }
        }
        envelope = Value::Object(said);
    }
    Bytes::from(envelope.to_string())
}

/// What kind of failure an error response is. It decides over retries and fallbacks, so the
/// server's own words come before its status.
pub fn classify(status: u16, body: &[u8]) -> FailureClass {
    let said = Said::read(body);
    let words = Words::of(&said);
    if words.named(&["insufficient_quota", "rate_limit_exceeded", "rate_limit_error"]) {
        return FailureClass::RateLimited;
    }
    if words.named(CONTEXT_NAMES) || (is_complaint(status) && words.say(CONTEXT_PHRASES)) {
        return FailureClass::ContextLength;
    }
    if words.named(FILTER_NAMES) || (is_complaint(status) && words.say(FILTER_PHRASES)) {
        return FailureClass::ContentFilter;
    }
    if words.named(MODEL_NAMES) || (is_complaint(status) && words.say(MODEL_PHRASES)) {
        return FailureClass::ModelNotFound;
    }
    if words.named(&["overloaded_error", "server_overloaded", "engine_overloaded"]) {
        return FailureClass::Overloaded;
    }
    match status {
        400 if words.say(&["api key not valid", "api_key_invalid", "incorrect api key"]) => {
            FailureClass::Unauthorized
        }
        401 | 403 => FailureClass::Unauthorized,
        404 if words.say(&["model", "deployment"]) => FailureClass::ModelNotFound,
        404 | 405 | 501 => FailureClass::Unsupported,
        408 => FailureClass::Timeout,
        402 | 429 => FailureClass::RateLimited,
        498 | 503 | 529 => FailureClass::Overloaded,
        400..=499 => FailureClass::InvalidRequest,
        _ => FailureClass::ServerError,
    }
}

const CONTEXT_NAMES: &[&str] =
    &["context_length_exceeded", "exceed_context_size_error", "model_max_prompt_tokens_exceeded"];
const CONTEXT_PHRASES: &[&str] = &[
    "maximum context length",
    "context length exceeded",
    "context window",
    "exceeds the available context size",
    "prompt is too long",
    "input token count exceeds",
    "exceeds the maximum number of tokens",
    "reduce the length of the messages",
];
const FILTER_NAMES: &[&str] = &[
    "content_filter",
    "content_policy_violation",
    "responsibleaipolicyviolation",
    "moderation_blocked",
    "invalid_prompt",
];
const FILTER_PHRASES: &[&str] = &["content management policy", "content filtering policy"];
const MODEL_NAMES: &[&str] = &[
    "model_not_found",
    "model_not_available",
    "invalid_model",
    "deploymentnotfound",
    "model_decommissioned",
];
const MODEL_PHRASES: &[&str] = &["model not exist", "is not a valid model", "invalid model"];

/// Statuses with which servers complain about the request, so that their words say which way.
const fn is_complaint(status: u16) -> bool {
    matches!(status, 400 | 404 | 413 | 422)
}

const fn kind_of(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    }
}

/// The names and words in an error, in lower case.
struct Words {
    names: Vec<String>,
    message: String,
}

impl Words {
    fn of(said: &Said) -> Self {
        let names = [&said.kind, &said.code, &said.status, &said.inner_code];
        Self {
            names: names.into_iter().flatten().map(|name| name.to_ascii_lowercase()).collect(),
            message: said.message.as_deref().unwrap_or_default().to_ascii_lowercase(),
        }
    }

    fn named(&self, known: &[&str]) -> bool {
        self.names.iter().any(|name| known.contains(&name.as_str()))
    }

    fn say(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.message.contains(phrase))
    }
}

/// What an error body says, in whatever shape.
#[derive(Default)]
struct Said {
    message: Option<String>,
    kind: Option<String>,
    param: Option<String>,
    code: Option<String>,
    /// Google's name of the error: `INVALID_ARGUMENT`, ...
    status: Option<String>,
    /// Azure's second code, inside `innererror`.
    inner_code: Option<String>,
}

impl Said {
    fn read(body: &[u8]) -> Self {
        match serde_json::from_slice(body) {
            Ok(Value::Object(object)) => Self::of_object(&object),
            Ok(Value::Array(list)) => match list.first() {
                Some(Value::Object(object)) => Self::of_object(object),
                _ => Self::default(),
            },
            Ok(Value::String(message)) => Self { message: Some(message), ..Self::default() },
            Ok(_) => Self::default(),
            Err(_) => Self { message: plain_text(body), ..Self::default() },
        }
    }

    fn of_object(outer: &Map<String, Value>) -> Self {
        match outer.get("error") {
            Some(Value::Object(error)) => Self::of_error(error),
            Some(Value::String(message)) => {
                Self { message: Some(message.clone()), ..Self::of_error(outer) }
            }
            _ => Self::of_error(outer),
        }
    }

    fn of_error(error: &Map<String, Value>) -> Self {
        // FastAPI's `detail` is a text, or a list of what is wrong.
        let message =
            ["message", "detail", "msg", "title"].iter().find_map(|key| match error.get(*key)? {
                Value::String(text) if !text.is_empty() => Some(text.clone()),
                Value::Array(list) if !list.is_empty() => {
                    Some(shortened(&Value::from(list.as_slice()).to_string()))
                }
                Value::Object(object) => Self::of_object(object).message,
                _ => None,
            });
        let code = error.get("code");
        Self {
            message,
            kind: name(error.get("type")),
            param: name(error.get("param")),
            // A number only repeats the HTTP status; Google's and vLLM's do.
            code: name(code)
                .filter(|code| error.get("status").is_none() || code.parse::<u16>().is_err()),
            status: name(error.get("status")),
            inner_code: error.get("innererror").and_then(|inner| name(inner.get("code"))),
        }
    }
}

fn name(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// One line of a body that is no JSON; of an HTML page, its title.
fn plain_text(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body.get(..16_384).unwrap_or(body));
    let lower = text.to_ascii_lowercase();
    let text = if lower.contains("<html") || lower.starts_with("<!doctype") {
        let title = lower.find("<title>").map(|at| at + "<title>".len());
        let end = lower.find("</title>");
        title.zip(end).and_then(|(start, end)| text.get(start..end)).map(Cow::Borrowed)?
    } else {
        text
    };
    let line = shortened(&text);
    (!line.is_empty()).then_some(line)
}

fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_has_explicit_nulls() {
        let error = ErrorBody::invalid_request("No.").at("model");
        let json = r#"{"error":{"message":"No.","type":"invalid_request_error","param":"model","code":null}}"#;
        assert_eq!(String::from_utf8(error.to_json()).expect("UTF-8"), json);
        assert!(is_envelope(json.as_bytes()));
    }

    #[test]
    fn every_shape_gives_its_message() {
        for (body, message) in [
            (r#"{"error":{"message":"no","type":"x"}}"#, "no"),
            (r#"{"error":"no"}"#, "no"),
            (r#"{"message":"no"}"#, "no"),
            (r#"{"object":"error","message":"no","type":"NotFoundError","code":404}"#, "no"),
            (r#"{"detail":"no"}"#, "no"),
            (r#"{"detail":[{"loc":["body"],"msg":"no"}]}"#, r#"[{"loc":["body"],"msg":"no"}]"#),
            (r#"[{"error":{"code":400,"message":"no","status":"INVALID_ARGUMENT"}}]"#, "no"),
            (r#"{"type":"error","error":{"type":"overloaded_error","message":"no"}}"#, "no"),
            ("no\n at\tall", "no at all"),
            ("<html><head><TITLE>502 Bad\nGateway</TITLE></head></html>", "502 Bad Gateway"),
            ("<html></html>", "The provider answered 502."),
            ("{}", "The provider answered 502."),
            ("", "The provider answered 502."),
        ] {
            assert_eq!(ErrorBody::from_upstream(502, body.as_bytes()).message, message, "{body}");
        }
        let long = ErrorBody::from_upstream(502, "é".repeat(1_000).as_bytes());
        assert_eq!(long.message.chars().count(), LONGEST_TEXT + 1);
    }

    #[test]
    fn an_envelope_passes_and_a_part_of_one_is_completed() {
        let whole =
            Bytes::from_static(b"{ \"error\": {\"message\":\"m\",\"type\":\"t\",\"extra\":1} }");
        assert_eq!(envelope(400, &whole), whole);
        let part = Bytes::from_static(
            b"{\"error\":{\"code\":402,\"message\":\"m\",\"metadata\":{\"a\":1}}}",
        );
        let complete = r#"{"error":{"code":402,"message":"m","metadata":{"a":1},"type":"invalid_request_error","param":null}}"#;
        assert_eq!(envelope(402, &part), complete);
        let text = Bytes::from_static(b"bad gateway");
        let made =
            r#"{"error":{"message":"bad gateway","type":"server_error","param":null,"code":null}}"#;
        assert_eq!(envelope(502, &text), made);
    }

    #[test]
    fn words_come_before_the_status() {
        use FailureClass::*;
        let coded =
            |code: &str| format!(r#"{{"error":{{"message":"m","type":"t","code":"{code}"}}}}"#);
        let saying = |text: &str| format!(r#"{{"error":{{"message":"{text}","type":"t"}}}}"#);
        for (status, body, class) in [
            (400, coded("context_length_exceeded"), ContextLength),
            (400, saying("This model's maximum context length is 8192 tokens."), ContextLength),
            (400, saying("prompt is too long: 9 > 8"), ContextLength),
            (400, coded("content_filter"), ContentFilter),
            (403, coded("model_not_found"), ModelNotFound),
            (404, saying("The model `x` does not exist"), ModelNotFound),
            (404, r#"{"detail":"Not Found"}"#.to_owned(), Unsupported),
            (400, saying("Model Not Exist"), ModelNotFound),
            (429, coded("insufficient_quota"), RateLimited),
            (403, coded("insufficient_quota"), RateLimited),
            (413, coded("rate_limit_exceeded"), RateLimited),
            (402, saying("Insufficient Balance"), RateLimited),
            (401, String::new(), Unauthorized),
            (400, saying("API key not valid. Please pass a valid API key."), Unauthorized),
            (529, String::new(), Overloaded),
            (503, saying("Loading model"), Overloaded),
            (500, r#"{"error":{"type":"overloaded_error","message":"m"}}"#.to_owned(), Overloaded),
            (500, saying("context window"), ServerError),
            (502, "<html>".to_owned(), ServerError),
            (408, String::new(), Timeout),
            (422, saying("temperature"), InvalidRequest),
            (302, String::new(), ServerError),
        ] {
            assert_eq!(classify(status, body.as_bytes()), class, "{status} {body}");
        }
    }

    #[test]
    fn what_is_told_is_a_whole_envelope_with_words_in_it() {
        for said in
            [r#""""#, r#"{"error":" "}"#, r#"{"error":{"message":"m","type":429}}"#, "[]", "\n"]
        {
            let told = envelope(429, &Bytes::copy_from_slice(said.as_bytes()));
            assert!(is_envelope(&told), "{said}");
            assert!(
                !ErrorBody::from_upstream(429, said.as_bytes()).message.trim().is_empty(),
                "{said}"
            );
        }
    }
}
