//! A whole answer as a stream of one chunk, for servers that ignore `stream: true`.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use serde_json::{Map, Value, json};
use wire::sse;

use crate::exchange::invalid;
use crate::{EventStream, Failure};

/// The events that say what the whole answer says.
///
/// # Errors
/// When this is no answer that a stream could carry.
pub(crate) fn as_events(answer: &[u8]) -> Result<EventStream, Failure> {
    let no_answer = || invalid("the provider answered a streamed call with no stream");
    let mut answer: Map<String, Value> = serde_json::from_slice(answer).map_err(|_| no_answer())?;
    let usage = answer.shift_remove("usage").filter(Value::is_object);
    match answer.get("object").and_then(Value::as_str) {
        Some("chat.completion") => {
            answer.insert("object".to_owned(), "chat.completion.chunk".into());
            for choice in choices(&mut answer).ok_or_else(no_answer)? {
                message_to_delta(choice);
            }
        }
        // A chunk of a legacy completion has the same shape as the whole of it.
        Some("text_completion") => {}
        _ => return Err(no_answer()),
    }
    let mut events = Vec::new();
    sse::write_data(&mut events, Value::Object(answer.clone()).to_string().as_bytes());
    if let Some(usage) = usage {
        answer.insert("choices".to_owned(), json!([]));
        answer.insert("usage".to_owned(), usage);
        sse::write_data(&mut events, Value::Object(answer).to_string().as_bytes());
    }
    events.extend_from_slice(sse::DONE);
    let body = Full::new(Bytes::from(events));
    Ok(Box::pin(body.map_err(|never: Infallible| match never {})))
}

fn choices(answer: &mut Map<String, Value>) -> Option<&mut Vec<Value>> {
    answer.get_mut("choices").and_then(Value::as_array_mut)
}

fn message_to_delta(choice: &mut Value) {
    let Some(choice) = choice.as_object_mut() else { return };
    let mut delta = choice.shift_remove("message").unwrap_or_else(|| json!({}));
    if let Some(calls) = delta.get_mut("tool_calls").and_then(Value::as_array_mut) {
        for (index, call) in calls.iter_mut().enumerate() {
            if let Some(call) = call.as_object_mut() {
                call.insert("index".to_owned(), index.into());
            }
        }
    }
    choice.insert("delta".to_owned(), delta);
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn events(answer: &str) -> Option<String> {
        let stream = as_events(answer.as_bytes()).ok()?;
        let bytes = stream.collect().await.unwrap().to_bytes();
        Some(String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_chat_completion_becomes_one_chunk() {
        let answer = r#"{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"t"}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":1},"x":1}"#;
        insta::assert_snapshot!(events(answer).await.unwrap(), @r#"
        data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"finish_reason":"tool_calls","delta":{"role":"assistant","content":null,"tool_calls":[{"id":"t","index":0}]}}],"x":1}

        data: {"id":"c","object":"chat.completion.chunk","choices":[],"x":1,"usage":{"prompt_tokens":1}}

        data: [DONE]
        "#);
    }

    #[tokio::test]
    async fn what_is_no_completion_is_a_failure() {
        for answer in [r#"{"object":"list"}"#, "{}", "[]", r#"{"object":"chat.completion"}"#] {
            assert_eq!(events(answer).await, None, "{answer}");
        }
    }
}
