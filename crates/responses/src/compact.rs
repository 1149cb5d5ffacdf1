//! `POST /v1/responses/compact`: a long conversation made short.
//!
//! What users said stays as it is; everything else becomes one compaction item, whose content is a
//! summary that the model itself writes. The item is opaque to its client: it is handed back in
//! the next request, where the summary takes the place of what it stands for.

use bytes::Bytes;
use gateway::Identified;
use serde_json::{Map, Value, json};
use wire::responses::{CreateRequest, Ending};

use crate::asked::Asked;
use crate::engine::Responses;
use crate::repair::answer;
use crate::run::Run;
use crate::{Refused, opaque};

/// What the model is asked for.
const PROMPT: &str = "\
Write a summary of the conversation so far, for yourself: you will go on with it and will have \
nothing else of it but the users' own messages. Keep every goal, decision, constraint, name, \
number, path, open question and result of a tool that may still matter, and what is to be done \
next. Leave out what is settled and will not come up again. Write the summary alone, as plain \
text, in the language of the conversation.";

/// User messages, from the newest, that stay as they are.
const MOST_KEPT_BYTES: usize = 64 * 1024;

impl Responses {
    /// Makes a conversation short.
    ///
    /// # Errors
    /// As [`Responses::create`].
    pub async fn compact(&self, caller: Identified, asked: Asked) -> Result<Bytes, Refused> {
        let given: Map<String, Value> = serde_json::from_slice(&asked.body).unwrap_or_default();
        CreateRequest::parse_for_counting(&asked.body)?;
        // Tools, formats and limits of the conversation have no part in its summary.
        let mut bare = Map::new();
        for field in ["model", "input", "instructions", "previous_response_id", "prompt_cache_key"]
        {
            if let Some(value) = given.get(field) {
                bare.insert(field.to_owned(), value.clone());
            }
        }
        bare.entry("input").or_insert_with(|| json!([]));
        bare.insert("store".to_owned(), json!(false));
        let request =
            CreateRequest::parse_for_counting(Value::Object(bare).to_string().as_bytes())?;
        let mut run = Run::begin(self, caller, request, asked, None).await?;
        let whole = run.state.whole();
        run.items.push(json!({
            "type": "message", "role": "developer",
            "content": [{"type": "input_text", "text": PROMPT}],
        }));
        run.open(false).await?;
        let (id, sealer) = (run.id.clone(), run.sealer().clone());
        let mut run = run.read_whole()?;
        run.over(Ending::Said).await;
        let summary = answer(&run.synthesis.output()).ok_or_else(Refused::bad_answer)?;
        let sealed = opaque::seal(&sealer, &json!({"summary": summary}));
        let mut output = kept(&whole);
        output.push(json!({
            "type": "compaction",
            "id": self.new_id("cmp_"),
            "encrypted_content": sealed.ok_or_else(Refused::bad_answer)?,
        }));
        let response = run.response();
        let compaction = json!({
            "id": id.as_str(),
            "object": "response.compaction",
            "created_at": response.get("created_at"),
            "output": output,
            "usage": response.get("usage"),
        });
        Ok(Bytes::from(compaction.to_string()))
    }
}

/// What stays: instructions, and what users said, the newest of it if it is much.
fn kept(whole: &[Value]) -> Vec<Value> {
    let role = |item: &Value| item.get("role").and_then(Value::as_str).map(str::to_owned);
    let mut left = MOST_KEPT_BYTES;
    let mut kept: Vec<Value> = Vec::new();
    for item in whole.iter().rev() {
        match role(item).as_deref() {
            Some("system" | "developer") => kept.push(item.clone()),
            Some("user") => {
                let size = item.to_string().len();
                if size <= left {
                    left -= size;
                    kept.push(item.clone());
                } else {
                    left = 0;
                }
            }
            _ => {}
        }
    }
    kept.reverse();
    kept
}
