//! What was kept: retrieve, follow again, cancel, delete.

use bytes::Bytes;
use gateway::Identified;
use kernel::{ResponseId, Scope};
use serde_json::{Value, json};
use store::{ResponseRow, ResponseStatus, StoreError};
use wire::error::ErrorBody;

use crate::Refused;
use crate::background::ended;
use crate::engine::{Engine, Responses};
use crate::events::EventBody;

impl Responses {
    /// `GET /v1/responses/{id}`: the response as it stands.
    ///
    /// # Errors
    /// 404 for what is not there, was not kept, or is another project's.
    pub async fn retrieve(&self, caller: &Identified, id: &str) -> Result<Bytes, Refused> {
        let row = self.row(&caller.scope(), id).await?;
        Ok(Bytes::from(match row.status {
            // It may have been given back to the queue.
            ResponseStatus::Queued | ResponseStatus::InProgress => {
                ended(&row.body, row.status.as_str(), None)
            }
            _ => row.body,
        }))
    }

    /// `GET /v1/responses/{id}?stream=true`: the events of a background response from a place on,
    /// to its end.
    ///
    /// # Errors
    /// As [`Responses::retrieve`]; 400 for a response that was not begun as a background stream.
    pub async fn follow(
        &self,
        caller: &Identified,
        id: &str,
        starting_after: Option<u64>,
    ) -> Result<EventBody, Refused> {
        let scope = caller.scope();
        let row = self.row(&scope, id).await?;
        if !(row.background && row.streamed) {
            return Err(ErrorBody::invalid_request(
                "Only a response that was created with both background=true and stream=true can \
                 be streamed again. Retrieve it without stream.",
            )
            .at("stream")
            .into());
        }
        let live = self.lock().get(&row.id).map(|running| running.live.clone());
        Ok(match live {
            Some(live) => self.follow_live(live, row.id, scope, starting_after),
            None => self.follow_stored(row.id, scope, starting_after),
        })
    }

    /// `POST /v1/responses/{id}/cancel`: ends a background response. What is over stays as it is.
    ///
    /// # Errors
    /// As [`Responses::retrieve`]; 400 for a response that is not in the background.
    pub async fn cancel(&self, caller: &Identified, id: &str) -> Result<Bytes, Refused> {
        let scope = caller.scope();
        let row = self.row(&scope, id).await?;
        if !row.background {
            return Err(ErrorBody::invalid_request(
                "Cannot cancel a synchronous response. To end one, close its connection.",
            )
            .at("response_id")
            .into());
        }
        if row.status.is_final() {
            return Ok(Bytes::from(row.body));
        }
        self.stop_making(&row.id).await;
        let body = ended(&row.body, "cancelled", None);
        let (now, cancelled) = (self.clock.now(), ResponseStatus::Cancelled);
        let ours =
            self.store.response_finish(&scope, &row.id, cancelled, Some(now), &body, &[]).await?;
        if ours {
            return Ok(Bytes::from(body));
        }
        // It came to its own end meanwhile.
        self.retrieve(caller, id).await
    }

    /// `DELETE /v1/responses/{id}`: deletes it with its events. One that is being made is cut off.
    ///
    /// # Errors
    /// As [`Responses::retrieve`].
    pub async fn delete(&self, caller: &Identified, id: &str) -> Result<Value, Refused> {
        let scope = caller.scope();
        let row = self.row(&scope, id).await?;
        self.stop_making(&row.id).await;
        self.store.response_delete(&scope, &row.id).await?;
        Ok(json!({"id": row.id.as_str(), "object": "response", "deleted": true}))
    }
}

impl Engine {
    /// Stops this node's making of a response, if it is at it.
    async fn stop_making(&self, id: &ResponseId) {
        let running = self.lock().remove(id);
        if let Some(running) = running {
            running.end().await;
        }
    }

    /// The row of a response, in the caller's project.
    pub(crate) async fn row(&self, scope: &Scope, id: &str) -> Result<ResponseRow, Refused> {
        let row = self.store.response_get(scope, &ResponseId::from(id)).await;
        row.map_err(|error| match error {
            StoreError::NotFound { .. } => Refused::not_found("Response", id),
            error => error.into(),
        })
    }
}
