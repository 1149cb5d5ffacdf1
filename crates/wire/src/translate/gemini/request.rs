//! A Chat Completions request as a `generateContent` request.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{FORMAT, OWN_CALL_ID, thinking};
use crate::translate::Inexpressible;
use crate::translate::chat::{
    Assistant, File, Format, Function, Message, Part, PartKind, Request, Tool, ToolChoice,
};
use crate::translate::media::Media;
use crate::translate::put::Put;
use crate::translate::reasoning::pieces_of;

/// Gemini 3 refuses a call in the conversation without the signature it came with. This is
/// Google's documented word for a call that came from elsewhere and never had one.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// Translates a Chat Completions request. Whether the answer streams is said by the URL, not by
/// the body.
///
/// # Errors
/// [`Inexpressible`] for what `generateContent` cannot say.
pub fn request(body: &[u8], model: &str, _stream: bool) -> Result<Vec<u8>, Inexpressible> {
    let mut request = Request::read(body)?;
    let Conversation { system, contents, .. } = Conversation::read(&request.messages, model)?;
    let mut fields = Map::new();
    if !system.is_empty() {
        fields.put("systemInstruction", json!({ "parts": system }));
    }
    fields.put("contents", contents.iter().map(Content::to_value).collect::<Value>());
    insert_tools(&mut fields, &request);
    let mut config = generation_config(&request, model);
    for own in ["top_k", "topK"] {
        if let Some(top_k) = request.rest.remove(own) {
            config.put("topK", top_k);
        }
    }
    if let Some(Value::Object(own)) = request.rest.remove("generationConfig") {
        config.extend(own);
    }
    if !config.is_empty() {
        fields.put("generationConfig", config);
    }
    let tier = request.service_tier.as_deref().filter(|tier| *tier != "auto");
    let tier = tier.map(|tier| if tier == "default" { "standard" } else { tier });
    fields.put_some("serviceTier", tier);
    for (field, value) in request.rest {
        fields.entry(field).or_insert(value);
    }
    Ok(Value::Object(fields).to_string().into_bytes())
}

/// The conversation in Gemini's order.
struct Conversation<'a> {
    system: Vec<Value>,
    contents: Vec<Content>,
    /// The functions that were called, by the id of the call.
    called: HashMap<&'a str, &'a str>,
    /// Whether every call needs a signature.
    signed: bool,
}

/// Messages of one role in a row.
struct Content {
    role: Role,
    parts: Vec<Value>,
}

/// Tool results are the user's too, but stay apart from what the user says: Gemini counts results
/// against calls, turn by turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    User,
    Tool,
    Model,
}

impl Content {
    fn to_value(&self) -> Value {
        let role = if self.role == Role::Model { "model" } else { "user" };
        json!({ "role": role, "parts": self.parts })
    }
}

impl<'a> Conversation<'a> {
    fn read(messages: &'a [Message], model: &str) -> Result<Self, Inexpressible> {
        let mut conversation = Self {
            system: Vec::new(),
            contents: Vec::new(),
            called: HashMap::new(),
            signed: thinking::is_leveled(model),
        };
        for (index, message) in messages.iter().enumerate() {
            conversation.message(message, &format!("messages[{index}]"))?;
        }
        if conversation.contents.is_empty() {
            let why = "must hold at least one message of the user with content";
            return Err(Inexpressible::new("messages", why));
        }
        Ok(conversation)
    }

    fn message(&mut self, message: &'a Message, param: &str) -> Result<(), Inexpressible> {
        let content_param = format!("{param}.content");
        match message {
            Message::System(parts) => self.system.extend(text_parts(parts, &content_param)?),
            Message::User(parts) => self.add(Role::User, content_parts(parts, &content_param)?),
            Message::Assistant(said) => {
                for call in &said.tool_calls {
                    self.called.insert(&call.id, &call.name);
                }
                let parts = assistant_parts(said, self.signed, &content_param)?;
                self.add(Role::Model, parts);
            }
            Message::Tool { call_id, content } => {
                let Some(name) = self.called.get(call_id.as_str()) else {
                    let why = "answers no tool call of an earlier assistant message";
                    return Err(Inexpressible::new(format!("{param}.tool_call_id"), why));
                };
                let parts = tool_result(call_id, name, content, &content_param)?;
                self.add(Role::Tool, parts);
            }
        }
        Ok(())
    }

    fn add(&mut self, role: Role, mut parts: Vec<Value>) {
        match self.contents.last_mut() {
            _ if parts.is_empty() => {}
            Some(content) if content.role == role => content.parts.append(&mut parts),
            _ => self.contents.push(Content { role, parts }),
        }
    }
}

fn text_parts(parts: &[Part], param: &str) -> Result<Vec<Value>, Inexpressible> {
    let plain = |part: &Part| matches!(part.kind, PartKind::Text { .. });
    match parts.iter().position(|part| !plain(part)) {
        Some(at) => {
            Err(Inexpressible::new(format!("{param}[{at}]"), "system messages hold text only"))
        }
        None => content_parts(parts, param),
    }
}

fn content_parts(parts: &[Part], param: &str) -> Result<Vec<Value>, Inexpressible> {
    let each = parts.iter().enumerate();
    let each = each.map(|(index, part)| content_part(&part.kind, &format!("{param}[{index}]")));
    each.filter_map(Result::transpose).collect()
}

/// `None` for empty text.
fn content_part(part: &PartKind, param: &str) -> Result<Option<Value>, Inexpressible> {
    Ok(match part {
        PartKind::Text { text } | PartKind::Refusal { refusal: text } => {
            (!text.is_empty()).then(|| json!({ "text": text }))
        }
        PartKind::ImageUrl { image_url } => {
            let param = format!("{param}.image_url.url");
            Some(media_part(Media::from_url(&image_url.url, &param)?))
        }
        PartKind::InputAudio { input_audio } => {
            let media_type = format!("audio/{}", input_audio.format);
            Some(media_part(Media::Inline { media_type, base64: input_audio.data.clone() }))
        }
        PartKind::File { file } => Some(file_part(file, &format!("{param}.file"))?),
    })
}

fn file_part(file: &File, param: &str) -> Result<Value, Inexpressible> {
    match (&file.file_data, &file.file_id) {
        (Some(data), _) => {
            let param = format!("{param}.file_data");
            Ok(media_part(Media::from_file(data, file.filename.as_deref(), &param)?))
        }
        // Files at Google go by their URI.
        (None, Some(uri)) if uri.contains("://") => Ok(media_part(Media::from_url(uri, param)?)),
        _ => {
            let why = "must hold `file_data`, or as `file_id` the URI of a file at Google";
            Err(Inexpressible::new(param, why))
        }
    }
}

fn media_part(media: Media) -> Value {
    match media {
        Media::Inline { media_type, base64 } => {
            json!({ "inlineData": { "mimeType": media_type, "data": base64 } })
        }
        Media::Remote { media_type: Some(media_type), url } => {
            json!({ "fileData": { "mimeType": media_type, "fileUri": url } })
        }
        Media::Remote { media_type: None, url } => json!({ "fileData": { "fileUri": url } }),
    }
}

fn assistant_parts(
    said: &Assistant,
    signed: bool,
    param: &str,
) -> Result<Vec<Value>, Inexpressible> {
    let pieces = pieces_of(FORMAT, said.reasoning.clone());
    let mut parts = content_parts(&said.content, param)?;
    // A signature of no call belongs to the end of what was said, or stands alone.
    let loose = pieces.iter().rev().filter(|piece| piece.id.is_none());
    if let Some(signature) = loose.into_iter().find_map(|piece| piece.data.as_deref()) {
        match parts.last_mut() {
            Some(last) => last.put("thoughtSignature", signature),
            None => parts.push(json!({ "text": "", "thoughtSignature": signature })),
        }
    }
    let signature_of =
        |id: &str| pieces.iter().find(|piece| piece.id.as_deref() == Some(id))?.data.as_deref();
    let mut calls = Vec::with_capacity(said.tool_calls.len());
    let mut unsigned = signed;
    for call in &said.tool_calls {
        let mut function = json!({ "name": call.name, "args": call.arguments });
        insert_id(&mut function, &call.id);
        let mut part = json!({ "functionCall": function });
        let signature = call.signature.as_deref().or_else(|| signature_of(&call.id));
        unsigned &= signature.is_none();
        part.put_some("thoughtSignature", signature);
        calls.push(part);
    }
    // Of parallel calls only the first is signed.
    if let Some(first) = calls.first_mut().filter(|_| unsigned) {
        first.put("thoughtSignature", NO_SIGNATURE);
    }
    parts.append(&mut calls);
    Ok(parts)
}

/// A result is an object: the text itself where it is one, else under `output`. Images of a
/// result follow it.
fn tool_result(
    call_id: &str,
    name: &str,
    content: &[Part],
    param: &str,
) -> Result<Vec<Value>, Inexpressible> {
    let mut text = String::new();
    let mut media = Vec::new();
    for (index, part) in content.iter().enumerate() {
        match &part.kind {
            PartKind::Text { text: more } => text.push_str(more),
            other => media.extend(content_part(other, &format!("{param}[{index}]"))?),
        }
    }
    let object: Option<Map<String, Value>> = serde_json::from_str(&text).ok();
    let result = object.map_or_else(|| json!({ "output": text }), Value::Object);
    let mut response = json!({ "name": name, "response": result });
    insert_id(&mut response, call_id);
    media.insert(0, json!({ "functionResponse": response }));
    Ok(media)
}

/// Ids that Gemini gave go back to it. Ours, which it never saw, stay on this side.
fn insert_id(value: &mut Value, id: &str) {
    value.put_some("id", Some(id).filter(|id| !id.starts_with(OWN_CALL_ID)));
}

fn insert_tools(fields: &mut Map<String, Value>, request: &Request) {
    let mut functions = Vec::new();
    let mut tools = Vec::new();
    for tool in &request.tools {
        match tool {
            Tool::Function(function) => functions.push(declaration(function)),
            Tool::Native(own) => tools.push(own.clone()),
        }
    }
    if !functions.is_empty() {
        tools.insert(0, json!({ "functionDeclarations": functions }));
    }
    if tools.is_empty() {
        return;
    }
    fields.put("tools", tools);
    let calling = match &request.tool_choice {
        Some(ToolChoice::Auto) => json!({ "mode": "AUTO" }),
        Some(ToolChoice::None) => json!({ "mode": "NONE" }),
        Some(ToolChoice::Required) => json!({ "mode": "ANY" }),
        Some(ToolChoice::Named(name)) => {
            json!({ "mode": "ANY", "allowedFunctionNames": [name] })
        }
        None => return,
    };
    fields.put("toolConfig", json!({ "functionCallingConfig": calling }));
}

fn declaration(function: &Function) -> Value {
    let mut declaration = json!({ "name": function.name });
    declaration.put_some("description", function.description.as_deref());
    // `parameters` takes a dialect of OpenAPI; this takes JSON Schema as it is.
    declaration.put_some("parametersJsonSchema", function.parameters.clone());
    declaration
}

fn generation_config(request: &Request, model: &str) -> Map<String, Value> {
    let mut config = Map::new();
    config.put_some("temperature", request.temperature.clone());
    config.put_some("topP", request.top_p.clone());
    config.put_some("seed", request.seed.clone());
    config.put_some("presencePenalty", request.presence_penalty.clone());
    config.put_some("frequencyPenalty", request.frequency_penalty.clone());
    config.put_some("maxOutputTokens", request.max_tokens);
    config.put_some("candidateCount", request.n.filter(|n| *n != 1));
    config.put_list("stopSequences", request.stop.iter().map(|stop| json!(stop)).collect());
    if request.logprobs {
        config.put("responseLogprobs", true);
        config.put_some("logprobs", request.top_logprobs);
    }
    if request.format != Format::Text {
        config.put("responseMimeType", "application/json");
    }
    if let Format::JsonSchema(schema) = &request.format {
        config.put("responseJsonSchema", schema.clone());
    }
    let thinking = request.effort.map(|effort| thinking::config(effort, model));
    config.put_some("thinkingConfig", thinking);
    config
}
