//! `POST /v1/responses`: what a client asks for.

use std::{fmt, mem};

use serde_json::{Map, Value};

use super::item::normalise;
use super::settings::Settings;
use super::tools::{ToolNames, flatten, offered};
use crate::envelope;
use crate::envelope::check::{kind_of, wrong_type};
use crate::error::ErrorBody;

/// What every request asks the provider for, so that reasoning can be handed back to it later.
const ENCRYPTED_REASONING: &str = "reasoning.encrypted_content";

/// Fields that are between the client and us: the state is ours, so is the frame of a WebSocket
/// message, and so are the options of the stream, which we make ourselves.
const OURS: [&str; 4] = ["stream_options", "client_metadata", "event_id", "type"];

/// A request for a response. What is not understood of it reaches the provider as it came.
#[derive(Clone, PartialEq)]
pub struct CreateRequest {
    /// The model that is asked for.
    pub model: String,
    /// Whether the answer is to come as a stream.
    pub stream: bool,
    /// Whether the response is made while nobody waits for it.
    pub background: bool,
    /// Whether the response is to be kept; not said means that it is.
    pub store: Option<bool>,
    /// Whether anything is to be said at all: a WebSocket may only warm up.
    pub generate: bool,
    /// The response that this one goes on with.
    pub previous_response_id: Option<String>,
    /// The id of the conversation that this response is in.
    pub conversation: Option<String>,
    /// The items of the input, in their long form, without new ids.
    pub input: Vec<Value>,
    /// What the answer is to contain beyond what it always does.
    pub include: Vec<String>,
    /// The most calls of hosted tools.
    pub max_tool_calls: Option<u64>,
    /// Whether a context that is too long for the model may lose its oldest items.
    pub truncation_auto: bool,
    /// What the client notes on the response.
    pub metadata: Map<String, Value>,
    /// Every other field, as it came.
    pub(super) fields: Map<String, Value>,
}

impl CreateRequest {
    /// Reads and checks a request body.
    ///
    /// # Errors
    /// The 400 that OpenAI would answer, with its `param`.
    pub fn parse(body: &[u8]) -> Result<Self, ErrorBody> {
        let request = Self::parse_for_counting(body)?;
        if request.model.is_empty() {
            return Err(
                ErrorBody::invalid_request("you must provide a model parameter").at("model")
            );
        }
        let goes_on = request.previous_response_id.is_some() || request.conversation.is_some();
        let says = |field| request.fields.get(field).is_some_and(|value| !value.is_null());
        if request.input.is_empty() && !goes_on && request.generate && !says("prompt") {
            return Err(ErrorBody::invalid_request(
                "One of 'input', 'previous_response_id', 'conversation' or 'prompt' must be \
                 provided, and an 'input' must not be empty.",
            )
            .at("input")
            .coded("missing_required_parameter"));
        }
        Ok(request)
    }

    /// Reads and checks a request body of which no answer is wanted, only what it would read: it
    /// needs neither model nor input.
    ///
    /// # Errors
    /// As [`CreateRequest::parse`].
    pub fn parse_for_counting(body: &[u8]) -> Result<Self, ErrorBody> {
        let settings = Settings::read(body)?;
        let mut fields: Map<String, Value> = envelope::read(body)?;
        for known in [
            "model",
            "stream",
            "background",
            "store",
            "generate",
            "previous_response_id",
            "conversation",
        ] {
            fields.shift_remove(known);
        }
        let input = read_input(fields.shift_remove("input").unwrap_or_default())?;
        let include = fields.shift_remove("include").unwrap_or_default();
        let metadata = fields.shift_remove("metadata").unwrap_or_default();
        Ok(Self {
            model: settings.model.unwrap_or_default(),
            stream: settings.stream,
            background: settings.background,
            store: settings.store,
            generate: settings.generate,
            previous_response_id: settings.previous_response_id,
            conversation: settings.conversation,
            input,
            include: serde_json::from_value(include).unwrap_or_default(),
            max_tool_calls: settings.max_tool_calls,
            truncation_auto: settings.truncation_auto,
            metadata: serde_json::from_value(metadata).unwrap_or_default(),
            fields,
        })
    }

    /// The body with which the gateway is asked: `context` is everything that the model is to
    /// read, this request's own input included. Nothing is to be kept by the provider.
    pub fn upstream(&self, context: &[Value], stream: bool) -> Vec<u8> {
        let mut body = Map::new();
        let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
        put("model", self.model.as_str().into());
        put("input", context.into());
        put("stream", stream.into());
        put("store", false.into());
        let mut include: Vec<&str> = self.include.iter().map(String::as_str).collect();
        if !include.contains(&ENCRYPTED_REASONING) {
            include.push(ENCRYPTED_REASONING);
        }
        put("include", include.into());
        let others = self.fields.iter().filter(|(name, _)| !OURS.contains(&name.as_str()));
        body.extend(others.map(|(name, value)| (name.clone(), value.clone())));
        Value::Object(body).to_string().into_bytes()
    }

    /// The JSON schema that the answer's text must fit, if it must.
    pub fn strict_schema(&self) -> Option<&Value> {
        let format = self.fields.get("text")?.get("format")?;
        let strict = format.get("strict") == Some(&Value::Bool(true));
        format.get("schema").filter(|_| strict && format.get("type").is_some_and(is_json_schema))
    }

    /// The names of the custom tools: those whose input is a text.
    pub fn custom_tools(&self) -> Vec<String> {
        let custom = self
            .tools()
            .iter()
            .filter(|tool| tool.get("type").is_some_and(|kind| kind == "custom"));
        custom.filter_map(|tool| Some(tool.get("name")?.as_str()?.to_owned())).collect()
    }

    /// What the names of functions mean if the request is answered by a chat.
    pub fn tool_names(&self) -> ToolNames {
        ToolNames::of(&flatten(&offered(self.tools(), &self.input)))
    }

    pub(super) fn tools(&self) -> &[Value] {
        let tools = self.fields.get("tools").and_then(Value::as_array);
        tools.map(Vec::as_slice).unwrap_or_default()
    }
}

/// What a client says stays out of logs.
impl fmt::Debug for CreateRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateRequest")
            .field("model", &self.model)
            .field("stream", &self.stream)
            .field("background", &self.background)
            .field("store", &self.store)
            .field("items", &self.input.len())
            .finish_non_exhaustive()
    }
}

/// A text is one message of the user.
fn read_input(input: Value) -> Result<Vec<Value>, ErrorBody> {
    match input {
        Value::Null => Ok(Vec::new()),
        Value::String(text) => {
            let mut message = Map::new();
            message.insert("role".to_owned(), "user".into());
            message.insert("content".to_owned(), text.into());
            normalise(Value::Object(message), "input").map(|item| vec![item])
        }
        Value::Array(mut items) => {
            for (place, item) in items.iter_mut().enumerate() {
                *item = normalise(mem::take(item), &format!("input[{place}]"))?;
            }
            Ok(items)
        }
        other => Err(wrong_type("input", "a string or an array of objects", kind_of(&other))),
    }
}

fn is_json_schema(kind: &Value) -> bool {
    kind == "json_schema"
}
