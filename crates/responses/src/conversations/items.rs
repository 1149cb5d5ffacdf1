//! The items of a conversation.

use std::ops::RangeInclusive;

use gateway::Identified;
use serde_json::{Map, Value, json};
use store::{ItemPage, NewItem, StoreError};
use wire::error::ErrorBody;

use super::{Conversations, may_keep, missing, sent};
use crate::Refused;

/// Items that one request may add.
const MOST: usize = 20;
/// Bytes of an item's id.
const ID_LENGTH: RangeInclusive<usize> = 1..=128;

impl Conversations {
    /// Adds the body's items to the end of a conversation, and lists them.
    ///
    /// # Errors
    /// 404 where the caller's project has no such conversation, and 400 for what is wrong in the
    /// body.
    pub async fn create_items(
        &self,
        caller: &Identified,
        id: &str,
        body: &[u8],
    ) -> Result<Value, Refused> {
        may_keep(caller)?;
        let mut sent = sent::object(body, &["items"])?;
        let items = self.read_items(sent.remove("items").ok_or_else(|| sent::missing("items"))?)?;
        if items.is_empty() {
            let message = "Invalid 'items': empty array. Expected an array with minimum length 1, \
                           but got an empty array instead.";
            let error = ErrorBody::invalid_request(message).at("items").coded("empty_array");
            return Err(error.into());
        }
        let appended =
            self.store.conversation_item_append(&caller.scope(), &id.into(), &rows(&items)).await;
        appended.map_err(|error| match error {
            error @ StoreError::Conflict { .. } => repeated(error),
            error => missing(error, id),
        })?;
        Ok(list(&items, false))
    }

    /// A page of a conversation's items.
    ///
    /// # Errors
    /// 404 where the caller's project has no such conversation, or the page comes after no item of
    /// it.
    pub async fn list_items(
        &self,
        caller: &Identified,
        id: &str,
        page: &ItemPage,
    ) -> Result<Value, Refused> {
        let found = self.store.conversation_items(&caller.scope(), &id.into(), page).await;
        let found = found.map_err(|error| missing(error, id))?;
        let items: Vec<Value> = found.data.iter().map(|row| read(&row.body)).collect();
        Ok(list(&items, found.has_more))
    }

    /// One item of a conversation.
    ///
    /// # Errors
    /// 404 where the caller's project has no such conversation, or it no such item.
    pub async fn retrieve_item(
        &self,
        caller: &Identified,
        id: &str,
        item: &str,
    ) -> Result<Value, Refused> {
        let found = self.store.conversation_item_get(&caller.scope(), &id.into(), item).await;
        Ok(read(&found.map_err(|error| missing(error, id))?.body))
    }

    /// Deletes one item of a conversation; what is left is the conversation.
    ///
    /// # Errors
    /// As [`Conversations::retrieve_item`].
    pub async fn delete_item(
        &self,
        caller: &Identified,
        id: &str,
        item: &str,
    ) -> Result<Value, Refused> {
        let deleted = self.store.conversation_item_delete(&caller.scope(), &id.into(), item).await;
        deleted.map_err(|error| missing(error, id))?;
        self.retrieve(caller, id).await
    }

    /// Reads items that a client sends, each with an id when this returns.
    pub(super) fn read_items(&self, given: Value) -> Result<Vec<Value>, ErrorBody> {
        let Value::Array(given) = given else {
            return Err(sent::wrong_type("items", "an array of objects", &given));
        };
        if given.len() > MOST {
            let message = format!(
                "Invalid 'items': array too long. Expected an array with maximum length {MOST}, \
                 but got an array with length {} instead.",
                given.len()
            );
            let error = ErrorBody::invalid_request(message).at("items");
            return Err(error.coded("array_above_max_length"));
        }
        let mut items = Vec::with_capacity(given.len());
        for (place, item) in given.into_iter().enumerate() {
            let path = format!("items[{place}]");
            let item = wire::responses::normalise(item, &path)?;
            check(&item, &path)?;
            items.push(item);
        }
        let now = self.clock.now();
        let mut new_id = |prefix: &'static str| kernel::id::time_ordered(prefix, now, &*self.rng);
        wire::responses::with_ids(&mut items, &mut new_id);
        Ok(items)
    }
}

/// Items as they are stored.
pub(super) fn rows(items: &[Value]) -> Vec<NewItem> {
    let row =
        |item: &Value| NewItem { id: id_of(item).to_owned(), body: item.to_string().into_bytes() };
    items.iter().map(row).collect()
}

/// An item that is in the conversation already, in OpenAI's words.
pub(super) fn repeated(error: StoreError) -> Refused {
    match error {
        StoreError::Conflict { what: "conversation item", id, .. } => {
            let id = sent::quoted(&id);
            let message = format!(
                "Duplicate item found with id {id}. Remove duplicate items from your input and \
                 try again."
            );
            ErrorBody::invalid_request(message).at("items").into()
        }
        other => other.into(),
    }
}

/// What a conversation cannot hold although a response's input may.
fn check(item: &Value, path: &str) -> Result<(), ErrorBody> {
    if item.get("type").and_then(Value::as_str) == Some("item_reference") {
        let message = "A conversation holds items themselves, not references to them. Send the \
                       item that is meant.";
        return Err(ErrorBody::invalid_request(message).at(path));
    }
    match item.get("id") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(id))
            if ID_LENGTH.contains(&id.len()) && !id.contains(char::is_control) =>
        {
            Ok(())
        }
        Some(_) => {
            let message = format!(
                "Invalid '{path}.id': expected a string of {} to {} bytes without control \
                 characters. Leave it out to get a new one.",
                ID_LENGTH.start(),
                ID_LENGTH.end()
            );
            Err(ErrorBody::invalid_request(message).at(format!("{path}.id")))
        }
    }
}

/// A list in OpenAI's shape. Clients want texts as its ends, also where there is no item.
fn list(items: &[Value], has_more: bool) -> Value {
    let (first, last) = (items.first().map(id_of), items.last().map(id_of));
    json!({
        "object": "list",
        "data": items,
        "first_id": first.unwrap_or_default(),
        "last_id": last.unwrap_or_default(),
        "has_more": has_more,
    })
}

fn id_of(item: &Value) -> &str {
    item.get("id").and_then(Value::as_str).unwrap_or_default()
}

fn read(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|_| Value::Object(Map::new()))
}
