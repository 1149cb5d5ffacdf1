//! Puts an answer into the store, with what is kept of its request.

use bytes::Bytes;
use gateway::{Identified, Inbound};
use kernel::{RequestId, SharedRng, Timestamp};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use store::{ChatCompletionRow, Store};

use super::members::Members;
use super::request::Asked;

/// What every id of a chat completion begins with.
const PREFIX: &str = "chatcmpl-";

/// An answer that is to be kept once it is whole.
pub(super) struct Keeping {
    store: Store,
    caller: Identified,
    call: RequestId,
    arrived: Timestamp,
    id: String,
    asked: Asked,
}

impl Keeping {
    pub(super) fn new(
        store: Store,
        rng: &SharedRng,
        caller: Identified,
        inbound: &Inbound,
        asked: Asked,
    ) -> Self {
        Self {
            store,
            caller,
            call: inbound.id.clone(),
            arrived: inbound.arrived,
            id: kernel::id::time_ordered(PREFIX, inbound.arrived, &**rng),
            asked,
        }
    }

    /// What it is kept by, and what the client knows it by.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Whether the client wants to see the usage of a stream.
    pub(super) fn shows_usage(&self) -> bool {
        self.asked.shows_usage
    }

    /// Keeps a whole answer, and returns it under its id. What is no answer passes as it is.
    pub(super) async fn keep_whole(self, document: Bytes) -> Bytes {
        let Ok(Value::Object(completion)) = serde_json::from_slice(&document) else {
            return document;
        };
        let Some(mut members) = Members::read(&document) else { return document };
        let id = serde_json::to_string(&self.id).ok().and_then(|id| RawValue::from_string(id).ok());
        let Some(id) = id else { return document };
        members.put("id", id);
        let renamed = Bytes::from(members.to_json());
        self.keep(completion).await;
        renamed
    }

    /// Keeps the completion. Where that fails the client still gets its answer: it was paid for.
    pub(super) async fn keep(self, mut completion: Map<String, Value>) {
        completion.insert("id".to_owned(), json!(self.id));
        completion.insert("request_id".to_owned(), json!(self.call));
        completion.extend(self.asked.echo);
        let owner = self.caller.owner();
        let row = ChatCompletionRow {
            id: self.id,
            organization: owner.organization.clone(),
            project: owner.project.clone(),
            api_key: owner.key.clone(),
            service_account: owner.service_account.clone(),
            call: self.call,
            created_at: self.arrived,
            model: self.asked.model,
            metadata: Value::Object(self.asked.metadata).to_string(),
            messages: self.asked.messages,
            body: Value::Object(completion).to_string().into_bytes(),
        };
        if let Err(error) = self.store.chat_completion_insert(&self.caller.scope(), &row).await {
            tracing::warn!(id = %row.call, %error, "an answer could not be stored");
        }
    }
}
