//! How a run leaves its response in the store.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use store::{NewItem, ResponseRow, ResponseStatus, StoreError};
use tokio::time::Instant;
use wire::responses::{Ending, Event};

use crate::keep::Kept;
use crate::run::{Phase, Run, status_of};

/// How long a database that is away is waited for, at the end of a background response.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What becomes of the response in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// Nothing of it is kept.
    Nothing,
    /// A row is made when it is over.
    Insert,
    /// Its row is there and is finished.
    Finish,
}

impl Run {
    /// Keeps the response, whose last events these are. False: its row was ended by somebody else.
    pub(crate) async fn keep(&mut self, last: &[Event]) -> Result<bool, StoreError> {
        let response = self.response();
        match self.keeping {
            Keeping::Nothing => Ok(true),
            Keeping::Insert => {
                let items = self.new_items(status_of(&response));
                let kept = Kept { row: self.row(&response, None), items, lease: None };
                self.engine.keeper.keep(kept).await.map(|()| true)
            }
            Keeping::Finish => self.finish(&response, last).await,
        }
    }

    /// Ends the row of a background response. It is paid for, so a database that is away for a
    /// moment is waited for.
    async fn finish(&mut self, response: &Value, last: &[Event]) -> Result<bool, StoreError> {
        let (scope, status) = (self.caller.scope(), status_of(response));
        let (items, now) = (self.new_items(status), Some(self.engine.clock.now()));
        let body = response.to_string().into_bytes();
        let tail = self.log.as_ref().and_then(|log| log.tail(last));
        let end = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(100);
        loop {
            let (store, id) = (&self.engine.store, &self.id);
            let ended = store
                .response_conclude(&scope, id, status, now, &body, &items, tail.as_ref())
                .await;
            match ended {
                Err(StoreError::Unavailable { .. }) if Instant::now() < end => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Ok(true) => {
                    if let Some(log) = &mut self.log {
                        log.is_complete();
                    }
                    return Ok(true);
                }
                other => return other,
            }
        }
    }

    /// The row of this response.
    pub(crate) fn row(&self, response: &Value, request: Option<Vec<u8>>) -> ResponseRow {
        let owner = self.caller.owner();
        let status = status_of(response);
        ResponseRow {
            id: self.id.clone(),
            organization: owner.organization.clone(),
            project: owner.project.clone(),
            api_key: owner.key.clone(),
            service_account: owner.service_account.clone(),
            call: self.call.id.clone(),
            created_at: self.created_at,
            completed_at: status.is_final().then(|| self.engine.clock.now()),
            model: self.request.model.clone(),
            status,
            background: self.request.background,
            streamed: self.request.stream,
            previous: self.state.previous.clone().filter(|_| !self.state.only_remembered),
            conversation: self.state.conversation.clone(),
            input: Value::Array(self.state.kept_input()).to_string().into_bytes(),
            body: response.to_string().into_bytes(),
            request,
        }
    }

    /// What its conversation gets. A response that was cut off adds nothing: a call without its
    /// arguments would stand in the way of every turn after it.
    fn new_items(&self, status: ResponseStatus) -> Vec<NewItem> {
        if self.state.conversation.is_none() || status != ResponseStatus::Completed {
            return Vec::new();
        }
        let output = self.synthesis.output();
        let items = self.state.input.iter().chain(&output);
        items
            .filter_map(|item| {
                // What it refers to is there already.
                if item.get("type").and_then(Value::as_str) == Some("item_reference") {
                    return None;
                }
                let id = item.get("id")?.as_str()?.to_owned();
                Some(NewItem { id, body: item.to_string().into_bytes() })
            })
            .collect()
    }
}

impl Drop for Run {
    /// The client hung up in the middle: what there is is kept, as cancelled.
    fn drop(&mut self) {
        if self.phase != Phase::Begun || self.keeping != Keeping::Insert {
            return;
        }
        // Closes the provider's connection and settles the call first.
        self.upstream = None;
        self.synthesis.conclude(Ending::Cancelled, self.engine.clock.now().as_secs());
        let row = self.row(&self.response(), None);
        let kept = Kept { row, items: Vec::new(), lease: None };
        let engine = Arc::clone(&self.engine);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = engine.keeper.keep(kept).await {
                    tracing::warn!(%error, "a response that was hung up on could not be kept");
                }
            });
        }
    }
}
