//! What can be done with a completion that was kept.

use gateway::Identified;
use serde_json::{Map, Value, json};
use store::{ChatCompletionRow, ChatFilter, ItemPage, StoreError};

use super::Chats;
use crate::Refused;
use crate::conversations::sent;

impl Chats {
    /// A page of the project's stored completions, in the order in which they were made.
    ///
    /// # Errors
    /// 404 where the page comes after none of them.
    pub async fn list(&self, caller: &Identified, filter: &ChatFilter) -> Result<Value, Refused> {
        let found = self.store.chat_completion_list(&caller.scope(), filter).await;
        let found = found.map_err(missing)?;
        let completions: Vec<Value> = found.data.iter().map(shaped).collect();
        Ok(list(&completions, found.has_more))
    }

    /// One stored completion.
    ///
    /// # Errors
    /// 404 where the caller's project has none of this id.
    pub async fn retrieve(&self, caller: &Identified, id: &str) -> Result<Value, Refused> {
        Ok(shaped(&self.get(caller, id).await?))
    }

    /// Puts the body's metadata in the place of a stored completion's.
    ///
    /// # Errors
    /// As [`Chats::retrieve`], and 400 for what is wrong in the body.
    pub async fn update(
        &self,
        caller: &Identified,
        id: &str,
        body: &[u8],
    ) -> Result<Value, Refused> {
        if caller.retention().zero {
            return Err(Refused::zero_data_retention("a chat completion's metadata"));
        }
        let mut sent = sent::object(body, &["metadata"])?;
        let given = sent.remove("metadata").ok_or_else(|| sent::missing("metadata"))?;
        let metadata = Value::Object(sent::metadata(Some(given))?).to_string();
        let mut row = self.get(caller, id).await?;
        let scope = caller.scope();
        let updated = self.store.chat_completion_update(&scope, id, &metadata, &row.body).await;
        updated.map_err(missing)?;
        row.metadata = metadata;
        Ok(shaped(&row))
    }

    /// Deletes a stored completion.
    ///
    /// # Errors
    /// As [`Chats::retrieve`].
    pub async fn delete(&self, caller: &Identified, id: &str) -> Result<Value, Refused> {
        let deleted = self.store.chat_completion_delete(&caller.scope(), id).await;
        deleted.map_err(missing)?;
        Ok(json!({"object": "chat.completion.deleted", "id": id, "deleted": true}))
    }

    /// A page of the messages that a stored completion answered.
    ///
    /// # Errors
    /// As [`Chats::retrieve`], and 404 where the page comes after none of its messages.
    pub async fn messages(
        &self,
        caller: &Identified,
        id: &str,
        page: &ItemPage,
    ) -> Result<Value, Refused> {
        let row = self.get(caller, id).await?;
        let messages: Vec<Map<String, Value>> =
            serde_json::from_slice(&row.messages).unwrap_or_default();
        let named = messages.into_iter().enumerate();
        let mut messages: Vec<Value> =
            named.map(|(place, said)| message(format!("{id}-{place}"), said)).collect();
        if page.descending {
            messages.reverse();
        }
        if let Some(after) = &page.after {
            let Some(at) = messages.iter().position(|message| id_of(message) == after) else {
                return Err(Refused::not_found("Message", &sent::quoted(after)));
            };
            messages.drain(..=at);
        }
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let has_more = messages.len() > limit;
        messages.truncate(limit);
        Ok(list(&messages, has_more))
    }

    async fn get(&self, caller: &Identified, id: &str) -> Result<ChatCompletionRow, Refused> {
        self.store.chat_completion_get(&caller.scope(), id).await.map_err(missing)
    }
}

/// A stored completion in OpenAI's shape: the answer, what was asked for, and its metadata.
fn shaped(row: &ChatCompletionRow) -> Value {
    let mut completion: Map<String, Value> = serde_json::from_slice(&row.body).unwrap_or_default();
    let metadata: Value = serde_json::from_str(&row.metadata).unwrap_or_default();
    completion.insert("metadata".to_owned(), metadata);
    Value::Object(completion)
}

/// A message as the list of messages has it: parts stand beside a content that is a text.
fn message(id: String, mut said: Map<String, Value>) -> Value {
    let parts = match said.get_mut("content") {
        Some(content @ Value::Array(_)) => content.take(),
        _ => Value::Null,
    };
    let mut shaped = Map::new();
    shaped.insert("id".to_owned(), Value::String(id));
    shaped.extend(said);
    for name in ["role", "content", "refusal", "name"] {
        shaped.entry(name).or_insert(Value::Null);
    }
    shaped.insert("content_parts".to_owned(), parts);
    Value::Object(shaped)
}

/// A list in OpenAI's shape. Clients want texts as its ends, also where there is nothing.
fn list(data: &[Value], has_more: bool) -> Value {
    let (first, last) = (data.first().map(id_of), data.last().map(id_of));
    json!({
        "object": "list",
        "data": data,
        "first_id": first.unwrap_or_default(),
        "last_id": last.unwrap_or_default(),
        "has_more": has_more,
    })
}

fn id_of(item: &Value) -> &str {
    item.get("id").and_then(Value::as_str).unwrap_or_default()
}

fn missing(error: StoreError) -> Refused {
    match error {
        StoreError::NotFound { id, .. } => {
            Refused::not_found("Chat completion", &sent::quoted(&id))
        }
        other => other.into(),
    }
}
