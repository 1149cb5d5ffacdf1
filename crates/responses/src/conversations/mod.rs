//! Conversations: items in their order, which outlive the responses that made them.
//!
//! Everything is kept sealed under the project's key; a project with zero data retention has no
//! conversations. Items are stored as they are listed, and what they hold sealed for us
//! (`encrypted_content`) stays closed here.

mod items;
pub(crate) mod sent;

use gateway::Identified;
use kernel::{ConversationId, SharedClock, SharedRng};
use serde_json::{Map, Value, json};
use store::{NewConversation, Store, StoreError};

use crate::Refused;

/// The conversations of a node's projects. Clones share everything.
#[derive(Clone, Debug)]
pub struct Conversations {
    store: Store,
    clock: SharedClock,
    rng: SharedRng,
}

impl Conversations {
    /// In this store.
    pub fn new(store: Store, clock: SharedClock, rng: SharedRng) -> Self {
        Self { store, clock, rng }
    }

    /// Makes a conversation, with its first items if the body has any.
    ///
    /// # Errors
    /// [`Refused`]
    pub async fn create(&self, caller: &Identified, body: &[u8]) -> Result<Value, Refused> {
        may_keep(caller)?;
        let mut sent = sent::object(body, &["items", "metadata"])?;
        let metadata = sent::metadata(sent.remove("metadata"))?;
        let items = match sent.remove("items") {
            None | Some(Value::Null) => Vec::new(),
            Some(items) => self.read_items(items)?,
        };
        let id = ConversationId::new(self.clock.now(), &*self.rng);
        let new = NewConversation { id, metadata: Value::Object(metadata).to_string() };
        let made =
            self.store.conversation_create(&caller.scope(), &new, &items::rows(&items)).await;
        Ok(shaped(&made.map_err(items::repeated)?))
    }

    /// One conversation.
    ///
    /// # Errors
    /// [`Refused`]: 404 where the caller's project has none of this id.
    pub async fn retrieve(&self, caller: &Identified, id: &str) -> Result<Value, Refused> {
        let found = self.store.conversation_get(&caller.scope(), &id.into()).await;
        Ok(shaped(&found.map_err(|error| missing(error, id))?))
    }

    /// Puts the body's metadata in the place of a conversation's.
    ///
    /// # Errors
    /// As [`Conversations::retrieve`], and 400 for what is wrong in the body.
    pub async fn update(
        &self,
        caller: &Identified,
        id: &str,
        body: &[u8],
    ) -> Result<Value, Refused> {
        may_keep(caller)?;
        let mut sent = sent::object(body, &["metadata"])?;
        let given = sent.remove("metadata").ok_or_else(|| sent::missing("metadata"))?;
        let metadata = Value::Object(sent::metadata(Some(given))?).to_string();
        let updated = self.store.conversation_update(&caller.scope(), &id.into(), &metadata).await;
        Ok(shaped(&updated.map_err(|error| missing(error, id))?))
    }

    /// Deletes a conversation with its items.
    ///
    /// # Errors
    /// As [`Conversations::retrieve`].
    pub async fn delete(&self, caller: &Identified, id: &str) -> Result<Value, Refused> {
        let deleted = self.store.conversation_delete(&caller.scope(), &id.into()).await;
        deleted.map_err(|error| missing(error, id))?;
        Ok(json!({"id": id, "object": "conversation.deleted", "deleted": true}))
    }
}

/// Whether anything may be kept for the caller.
fn may_keep(caller: &Identified) -> Result<(), Refused> {
    if caller.retention().zero {
        return Err(Refused::zero_data_retention("a conversation"));
    }
    Ok(())
}

/// A conversation in OpenAI's shape.
fn shaped(conversation: &store::Conversation) -> Value {
    let metadata: Map<String, Value> =
        serde_json::from_str(&conversation.metadata).unwrap_or_default();
    json!({
        "id": conversation.id,
        "object": "conversation",
        "created_at": conversation.created_at.as_secs(),
        "metadata": metadata,
    })
}

/// What was not found is said in OpenAI's words: the conversation, or the item.
fn missing(error: StoreError, conversation: &str) -> Refused {
    match error {
        StoreError::NotFound { what: "conversation", .. } => {
            Refused::not_found("Conversation", &sent::quoted(conversation))
        }
        StoreError::NotFound { id, .. } => Refused::not_found("Item", &sent::quoted(&id)),
        other => other.into(),
    }
}
