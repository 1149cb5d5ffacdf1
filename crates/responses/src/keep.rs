//! Writes responses into the store, many at a time: one commit is one flush of the disk, so those
//! that come while it lasts wait for the next one together.

use kernel::Timestamp;
use store::{Lease, NewItem, ResponseRow, Store, StoreError};
use tokio::sync::{mpsc, oneshot};

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
        self.waiting.send((kept, told)).await.map_err(|_| gone())?;
        done.await.map_err(|_| gone())?
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
    let alone = match rows.len() {
        0 => return,
        count => count == 1,
    };
    let written = store.response_insert_all(&rows, lease).await;
    if written.is_ok() || alone {
        let mut written = Some(written);
        for told in told {
            // Whoever waited may have gone.
            let _ = told.send(written.take().unwrap_or(Ok(())));
        }
        return;
    }
    for (row, told) in rows.into_iter().zip(told) {
        let _ = told.send(store.response_insert_all(&[row], lease).await);
    }
}
