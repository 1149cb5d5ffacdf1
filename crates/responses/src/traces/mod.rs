//! Traces of clients' agents, as OpenAI's Agents SDK exports them: kept for the administrator to
//! read, and tied to the calls in them.
//!
//! A trace is content: names, inputs and outputs are kept sealed under the project's key. Of a
//! project with zero data retention only ids, times and kinds stay.

mod item;
mod moment;

use gateway::Identified;
use kernel::{Scope, SharedClock};
use serde_json::{Map, Value, json};
use store::{Page, SpanRow, Store, StoreError, TraceRow};
use wire::error::ErrorBody;

use crate::Refused;
use crate::conversations::sent;
use item::{Detail, Item};

/// Items that one request may bring.
const MOST_ITEMS: usize = 10_000;

/// The traces of a node's projects. Clones share everything.
#[derive(Clone, Debug)]
pub struct Traces {
    store: Store,
    clock: SharedClock,
}

impl Traces {
    /// In this store.
    pub fn new(store: Store, clock: SharedClock) -> Self {
        Self { store, clock }
    }

    /// Keeps the body's traces and spans, all of them or none. Those with known ids are replaced.
    ///
    /// # Errors
    /// 400 that names the item at fault.
    pub async fn ingest(&self, caller: &Identified, body: &[u8]) -> Result<(), Refused> {
        let mut sent = sent::object(body, &["data"])?;
        let data = match sent.remove("data") {
            None => return Err(sent::missing("data").into()),
            Some(Value::Array(data)) => data,
            Some(other) => {
                return Err(sent::wrong_type("data", "an array of objects", &other).into());
            }
        };
        if data.len() > MOST_ITEMS {
            let message = format!(
                "Invalid 'data': array too long. Expected an array with maximum length \
                 {MOST_ITEMS}, but got an array with length {} instead.",
                data.len()
            );
            let error = ErrorBody::invalid_request(message).at("data");
            return Err(error.coded("array_above_max_length").into());
        }
        let detail = if caller.retention().zero { Detail::Bare } else { Detail::Whole };
        let (mut traces, mut spans) = (Vec::new(), Vec::new());
        for (place, item) in data.into_iter().enumerate() {
            match item::read(item, &format!("data[{place}]"), detail, self.clock.now())? {
                Item::Trace(trace) => traces.push(trace),
                Item::Span(span) => spans.push(span),
            }
        }
        if !traces.is_empty() || !spans.is_empty() {
            self.store.trace_ingest(&caller.scope(), &traces, &spans).await?;
        }
        Ok(())
    }

    /// A page of a project's traces, the newest first, without their spans; and whether there are
    /// more.
    ///
    /// # Errors
    /// 404 where the page comes after no trace of the project.
    pub async fn list(&self, scope: &Scope, page: &Page) -> Result<(Vec<Value>, bool), Refused> {
        let found = self.store.trace_list(scope, page).await.map_err(missing)?;
        Ok((found.data.iter().map(|row| Value::Object(trace(row))).collect(), found.has_more))
    }

    /// A trace of a project with its spans, in the order in which they began.
    ///
    /// # Errors
    /// 404 where the project has none of this id.
    pub async fn retrieve(&self, scope: &Scope, id: &str) -> Result<Value, Refused> {
        let (found, spans) = self.store.trace_get(scope, id).await.map_err(missing)?;
        let mut whole = trace(&found);
        whole.insert("spans".to_owned(), spans.iter().map(span).collect());
        Ok(Value::Object(whole))
    }
}

/// A trace as it came in, with what is ours.
fn trace(row: &TraceRow) -> Map<String, Value> {
    let mut shaped: Map<String, Value> = serde_json::from_slice(&row.body).unwrap_or_default();
    let metadata: Value = serde_json::from_str(&row.metadata).unwrap_or_default();
    // A trace that was only heard of by its spans has nothing else.
    for (name, value) in [
        ("object", json!("trace")),
        ("id", json!(row.id)),
        ("created_at", json!(row.created_at.as_secs())),
        ("workflow_name", json!(row.workflow)),
        ("group_id", json!(row.group)),
        ("metadata", metadata),
    ] {
        shaped.insert(name.to_owned(), value);
    }
    shaped
}

/// A span as it came in, with the call that was made for it.
fn span(row: &SpanRow) -> Value {
    let mut shaped: Map<String, Value> = serde_json::from_slice(&row.body).unwrap_or_default();
    shaped.insert("call_id".to_owned(), json!(row.call));
    Value::Object(shaped)
}

fn missing(error: StoreError) -> Refused {
    match error {
        StoreError::NotFound { what: "trace", id } => {
            Refused::not_found("Trace", &sent::quoted(&id))
        }
        other => other.into(),
    }
}
