//! The event log of a response, for clients that come back to its stream.

use kernel::{ProjectId, ResponseId, Scope};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::columns::{Columns, to_number};
use crate::redact::debug_only;
use crate::response::find;
use crate::scope::one_project;
use crate::{Sealer, Store, StoreError};

/// A run of events as it was written.
#[derive(Clone, PartialEq, Eq)]
pub struct EventChunk {
    /// The first sequence number in it.
    pub first: u64,
    /// The last sequence number in it.
    pub last: u64,
    /// The events, in the form in which they were appended. Content.
    pub events: Vec<u8>,
}

debug_only!(EventChunk: first, last);

const TABLE: &str = "response_event";

impl Store {
    /// Adds the events with the sequence numbers `first` to `last`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when a run that starts with `first` is there already.
    pub async fn response_event_append(
        &self,
        scope: &Scope,
        id: &ResponseId,
        first: u64,
        last: u64,
        events: &[u8],
    ) -> Result<(), StoreError> {
        let project = one_project(scope, "a response's events")?;
        let sealer = self.sealer(project).await?;
        let run = EventChunk { first, last, events: events.to_vec() };
        let run = seal(&sealer, id, &run)?;
        let mut write = self.write().await?;
        run.insert(write.connection(), scope, project).await?;
        write.commit().await
    }

    /// The runs that hold events after the sequence number `after`, in order; `None`: all. The
    /// first run may begin with events up to `after`.
    pub async fn response_events(
        &self,
        scope: &Scope,
        id: &ResponseId,
        after: Option<u64>,
    ) -> Result<Vec<EventChunk>, StoreError> {
        let response = find(&mut *self.read().await?, scope, id).await?;
        let rows = sqlx::query(
            "SELECT * FROM response_event WHERE response_id = $1 AND last_number > $2
             ORDER BY first_number",
        )
        .bind(id.as_str())
        .bind(after.map_or(-1, to_number))
        .fetch_all(&mut *self.read().await?)
        .await?;
        let sealer = self.sealer(&response.text("project_id")?.into()).await?;
        let chunk = |row: &AnyRow| {
            let first = row.count("first_number")?;
            Ok(EventChunk {
                first,
                last: row.count("last_number")?,
                events: sealer.content(row, TABLE, "events", &place(id, first))?,
            })
        };
        rows.iter().map(chunk).collect()
    }
}

/// A run of events, sealed.
pub(crate) struct SealedRun<'a> {
    id: &'a ResponseId,
    first: u64,
    last: u64,
    sealed: Vec<u8>,
}

/// Seals a run.
pub(crate) fn seal<'a>(
    sealer: &Sealer,
    id: &'a ResponseId,
    run: &EventChunk,
) -> Result<SealedRun<'a>, StoreError> {
    let sealed = sealer.seal_column(TABLE, "events", &place(id, run.first), &run.events)?;
    Ok(SealedRun { id, first: run.first, last: run.last, sealed })
}

impl SealedRun<'_> {
    /// Writes it down.
    pub(crate) async fn insert(
        self,
        connection: &mut AnyConnection,
        scope: &Scope,
        project: &ProjectId,
    ) -> Result<(), StoreError> {
        let Self { id, first, last, sealed } = self;
        let appended = sqlx::query(
            "INSERT INTO response_event (response_id, first_number, last_number, events)
             SELECT id, $1, $2, $3 FROM response
             WHERE id = $4 AND organization_id = $5 AND project_id = $6",
        )
        .bind(to_number(first))
        .bind(to_number(last))
        .bind(sealed)
        .bind(id.as_str())
        .bind(scope.organization.as_str())
        .bind(project.as_str())
        .execute(connection)
        .await
        .map_err(|error| {
            StoreError::unless_duplicate(error, || {
                let reason = format!("has an event {first} already");
                StoreError::conflict("response", id.as_str(), reason)
            })
        })?;
        match appended.rows_affected() {
            0 => Err(StoreError::not_found("response", id.as_str())),
            _ => Ok(()),
        }
    }
}

/// Where a run is sealed for.
fn place(id: &ResponseId, first: u64) -> String {
    format!("{id}/{first}")
}
