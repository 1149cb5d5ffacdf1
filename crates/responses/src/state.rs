//! The context of a response: what came before its own input, from the store or from the memory of
//! a connection.

use std::collections::HashSet;

use kernel::{ConversationId, ResponseId, Scope};
use serde_json::Value;
use store::{ResponseRow, StoreError};
use wire::error::ErrorBody;
use wire::responses::CreateRequest;

use crate::Refused;
use crate::engine::Engine;
use crate::socket::Memory;

/// Responses that one may stand on, one upon the other.
const LONGEST_CHAIN: u32 = 10_000;

/// What a response stands on.
#[derive(Clone, Default)]
pub(crate) struct State {
    /// The items before its own, as they were stored.
    pub(crate) before: Vec<Value>,
    /// Its own input, each item with an id.
    pub(crate) input: Vec<Value>,
    /// The response before it.
    pub(crate) previous: Option<ResponseId>,
    /// Whether the response before it was not kept: only its connection remembers it.
    pub(crate) only_remembered: bool,
    /// The conversation that it is in.
    pub(crate) conversation: Option<ConversationId>,
}

impl State {
    /// Looks up what a request stands on. `memory`: what its connection remembers.
    pub(crate) async fn of(
        engine: &Engine,
        scope: &Scope,
        request: &CreateRequest,
        id: &ResponseId,
        memory: Option<&Memory>,
    ) -> Result<Self, Refused> {
        let mut state = Self { input: request.input.clone(), ..Self::default() };
        wire::responses::with_ids(&mut state.input, &mut |prefix| engine.item_id(prefix, id));
        if let Some(id) = request.previous_response_id.as_deref() {
            state.before = match memory.and_then(|memory| memory.context(id)) {
                Some(remembered) => {
                    state.only_remembered = !remembered.kept;
                    remembered.context.to_vec()
                }
                None => engine.chain(scope, &id.into()).await?,
            };
            state.previous = Some(id.into());
        } else if let Some(id) = request.conversation.as_deref() {
            let id = ConversationId::from(id);
            state.before = engine.conversation(scope, &id).await?;
            state.conversation = Some(id);
            state.refuse_known_items()?;
        }
        Ok(state)
    }

    /// An item can be in a conversation once.
    fn refuse_known_items(&self) -> Result<(), Refused> {
        let mut known: HashSet<&str> = self.before.iter().filter_map(id_of).collect();
        for (place, item) in self.input.iter().enumerate() {
            let is_reference = item.get("type").and_then(Value::as_str) == Some("item_reference");
            let Some(id) = id_of(item).filter(|_| !is_reference) else { continue };
            if !known.insert(id) {
                let id: String = id.chars().take(100).collect();
                let message = format!(
                    "An item with id '{id}' is already in the conversation. Leave its id out, or \
                     the item itself."
                );
                return Err(ErrorBody::invalid_request(message)
                    .at(format!("input[{place}].id"))
                    .into());
            }
        }
        Ok(())
    }

    /// The input as it is kept: with what came before, where nothing else keeps that.
    pub(crate) fn kept_input(&self) -> Vec<Value> {
        if self.only_remembered { self.whole() } else { self.input.clone() }
    }

    /// Everything that the model is to read.
    pub(crate) fn whole(&self) -> Vec<Value> {
        self.before.iter().chain(&self.input).cloned().collect()
    }
}

/// The response whose item this is, if its id is one of ours.
pub(crate) fn response_of(item: &str) -> Option<ResponseId> {
    let (_, unique) = item.split_once('_')?;
    let unique = unique.get(..32).filter(|_| unique.len() == 40)?;
    Some(format!("{}{unique}", ResponseId::PREFIX).into())
}

fn id_of(item: &Value) -> Option<&str> {
    item.get("id")?.as_str()
}

impl Engine {
    /// What a stored response stands on, and what it said.
    async fn chain(&self, scope: &Scope, id: &ResponseId) -> Result<Vec<Value>, Refused> {
        let rows = self.store.response_chain(scope, id, LONGEST_CHAIN).await;
        let rows = rows.map_err(|error| match error {
            StoreError::NotFound { .. } => no_previous(id),
            error => error.into(),
        })?;
        if let Some(row) = rows.last().filter(|row| !row.status.is_final()) {
            return Err(unfinished(row));
        }
        let mut items =
            match rows.first().and_then(|first| first.conversation.as_ref().zip(Some(first))) {
                Some((conversation, first)) => {
                    self.conversation_before(scope, conversation, first).await?
                }
                None => Vec::new(),
            };
        for row in &rows {
            items.extend(read_items(&row.input));
            items.extend(output_of(&row.body));
        }
        Ok(items)
    }

    async fn conversation(
        &self,
        scope: &Scope,
        id: &ConversationId,
    ) -> Result<Vec<Value>, Refused> {
        // An empty conversation and one that does not exist look alike otherwise.
        self.store.conversation_get(scope, id).await.map_err(|error| match error {
            StoreError::NotFound { .. } => Refused::not_found("Conversation", id.as_str()),
            error => error.into(),
        })?;
        let items = self.store.conversation_items_all(scope, id).await?;
        Ok(items.iter().filter_map(|item| serde_json::from_slice(&item.body).ok()).collect())
    }

    /// What a conversation held before the input of this response came to it.
    async fn conversation_before(
        &self,
        scope: &Scope,
        id: &ConversationId,
        response: &ResponseRow,
    ) -> Result<Vec<Value>, Refused> {
        let items = match self.store.conversation_items_all(scope, id).await {
            Ok(items) => items,
            // It was deleted; the response goes on with what it said itself.
            Err(StoreError::NotFound { .. }) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let own = read_items(&response.input);
        let first = own.first().and_then(|item| item.get("id")).and_then(Value::as_str);
        let before = items.iter().take_while(|item| Some(item.id.as_str()) != first);
        Ok(before.filter_map(|item| serde_json::from_slice(&item.body).ok()).collect())
    }
}

/// A stored list of items.
pub(crate) fn read_items(json: &[u8]) -> Vec<Value> {
    serde_json::from_slice(json).unwrap_or_default()
}

/// What a stored response says.
pub(crate) fn output_of(body: &[u8]) -> Vec<Value> {
    let response: Option<Value> = serde_json::from_slice(body).ok();
    match response.and_then(|mut response| Some(response.get_mut("output")?.take())) {
        Some(Value::Array(output)) => output,
        _ => Vec::new(),
    }
}

fn no_previous(id: &ResponseId) -> Refused {
    let id: String = id.as_str().chars().take(100).collect();
    ErrorBody::invalid_request(format!("Previous response with id '{id}' not found."))
        .at("previous_response_id")
        .coded("previous_response_not_found")
        .into()
}

fn unfinished(row: &ResponseRow) -> Refused {
    ErrorBody::invalid_request(format!(
        "Previous response with id '{}' is still {}. Wait until it is completed.",
        row.id,
        row.status.as_str()
    ))
    .at("previous_response_id")
    .coded("previous_response_not_completed")
    .into()
}
