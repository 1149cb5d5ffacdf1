//! Writes responses into the store, many at a time: one commit is one flush of the disk, so those
//! that come while it lasts wait for the next one together.

use std::time::Duration;

use kernel::Timestamp;
use store::{Lease, NewItem, ResponseRow, Store, StoreError};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// How long a database that does not answer holds up who waits.
const PATIENCE: Duration = Duration::from_secs(6);
/// Rows of one commit.
const MOST_ROWS: usize = 128;
/// Rows that wait for a commit.
const MOST_WAITING: usize = 1_024;

/// One response that is to be kept, with the items that its conversation gets.
pub(crate) struct Kept {
    pub(crate) row: ResponseRow,
    pub(crate) items: Vec<NewItem>,
    /// Until when this node promises to work on it, where it is not over.
    pub(crate) lease: Option<Timestamp>,
}

/// The way to the store.
#[derive(Debug)]
pub(crate) struct Keeper {
    waiting: mpsc::Sender<Waiting>,
}

type Waiting = (Kept, oneshot::Sender<Result<(), StoreError>>);

impl Keeper {
    /// A keeper of its own task, which ends with it.
    pub(crate) fn new(store: Store, node: String) -> Self {
        let (waiting, incoming) = mpsc::channel(MOST_WAITING);
        tokio::spawn(write(store, node, incoming));
        Self { waiting }
    }

    /// Keeps a response. It is in the database when this returns.
    pub(crate) async fn keep(&self, kept: Kept) -> Result<(), StoreError> {
        let (told, done) = oneshot::channel();
        let gone = || StoreError::Unavailable { reason: "the node is stopping".to_owned() };
        let kept = async {
            self.waiting.send((kept, told)).await.map_err(|_| gone())?;
            done.await.map_err(|_| gone())?
        };
        let late = || StoreError::Unavailable { reason: "it did not answer in time".to_owned() };
        timeout(PATIENCE, kept).await.unwrap_or_else(|_| Err(late()))
    }
}

async fn write(store: Store, node: String, mut incoming: mpsc::Receiver<Waiting>) {
    let mut together = Vec::new();
    while incoming.recv_many(&mut together, MOST_ROWS).await > 0 {
        let leased = together.extract_if(.., |(kept, _)| kept.lease.is_some()).collect();
        write_together(&store, &node, leased).await;
        write_together(&store, &node, std::mem::take(&mut together)).await;
    }
}

/// Writes all of them at once; if one cannot be written, the others still are.
async fn write_together(store: &Store, node: &str, waiting: Vec<Waiting>) {
    let until = waiting.iter().filter_map(|(kept, _)| kept.lease).min();
    let lease = until.map(|until| Lease { node, until });
    let (rows, told): (Vec<_>, Vec<_>) =
        waiting.into_iter().map(|(kept, told)| ((kept.row, kept.items), told)).unzip();
    let written = match rows.as_slice() {
        [] => return,
        rows => store.response_insert_all(rows, lease).await,
    };
    match written {
        Ok(()) => told.into_iter().for_each(|told| tell(told, Ok(()))),
        Err(StoreError::Unavailable { reason }) => {
            for told in told {
                tell(told, Err(StoreError::Unavailable { reason: reason.clone() }));
            }
        }
        // One of them cannot be written; the others still are.
        Err(_) => {
            for (row, told) in rows.into_iter().zip(told) {
                tell(told, write_alone(store, row, lease).await);
            }
        }
    }
}

async fn write_alone(
    store: &Store,
    mut row: (ResponseRow, Vec<NewItem>),
    lease: Option<Lease<'_>>,
) -> Result<(), StoreError> {
    match store.response_insert_all(std::slice::from_ref(&row), lease).await {
        Err(StoreError::NotFound { what: "conversation", .. }) => {
            // It was deleted meanwhile; the response itself is kept.
            row.0.conversation = None;
            row.1.clear();
            store.response_insert_all(&[row], lease).await
        }
        written => written,
    }
}

/// Whoever waited may have gone.
fn tell(told: oneshot::Sender<Result<(), StoreError>>, written: Result<(), StoreError>) {
    let _ = told.send(written);
}
