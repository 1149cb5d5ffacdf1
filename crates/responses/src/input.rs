//! What responses were asked: their items, and how many tokens those are.

use bytes::Bytes;
use gateway::{Identified, tokenizer};
use kernel::{Operation, ResponseId};
use serde_json::{Value, json};
use wire::error::ErrorBody;
use wire::responses::CreateRequest;

use crate::engine::Responses;
use crate::state::{State, read_items};
use crate::{Refused, context};

/// Which part of a list of items is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemPage {
    /// After the item of this id.
    pub after: Option<String>,
    /// So many at most.
    pub limit: usize,
    /// Whether the oldest comes first.
    pub ascending: bool,
}

impl Responses {
    /// `GET /v1/responses/{id}/input_items`
    ///
    /// # Errors
    /// As [`Responses::retrieve`]; 400 for an `after` that is no item of the response.
    pub async fn input_items(
        &self,
        caller: &Identified,
        id: &str,
        page: &ItemPage,
    ) -> Result<Value, Refused> {
        let row = self.row(&caller.scope(), id).await?;
        let mut items = read_items(&row.input);
        if !page.ascending {
            items.reverse();
        }
        if let Some(after) = page.after.as_deref() {
            let place = items.iter().position(|item| item.get("id") == Some(&json!(after)));
            let place = place.ok_or_else(|| {
                ErrorBody::invalid_request("`after` is no item of this list.").at("after")
            })?;
            items.drain(..=place);
        }
        let has_more = items.len() > page.limit;
        items.truncate(page.limit);
        let id_of = |item: Option<&Value>| item.and_then(|item| item.get("id")).cloned();
        Ok(json!({
            "object": "list",
            "first_id": id_of(items.first()),
            "last_id": id_of(items.last()),
            "has_more": has_more,
            "data": items,
        }))
    }

    /// `POST /v1/responses/input_tokens`: how many tokens a request would read, counted here.
    ///
    /// # Errors
    /// As [`Responses::create`], for all that is found out before a provider is asked.
    pub async fn input_tokens(&self, caller: &Identified, body: &Bytes) -> Result<Value, Refused> {
        let request = CreateRequest::parse_for_counting(body)?;
        let scope = caller.scope();
        let id = ResponseId::new(self.clock.now(), &*self.rng);
        let state = State::of(self, &scope, &request, &id, None).await?;
        let sealer = self.store.sealer(&caller.owner().project).await?;
        let items = context::prepare(self, &scope, &sealer, state.whole()).await?;
        let asked = request.upstream(&items, false);
        let tokens = tokenizer::count_request(&request.model, Operation::Responses, &asked);
        Ok(json!({"object": "response.input_tokens", "input_tokens": tokens}))
    }
}
