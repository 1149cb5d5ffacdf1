//! How calls get into the ledger, exactly once, and with them all that is counted by calls: usage,
//! what is spent of budgets, service levels. One transaction has all of it or nothing.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kernel::{BatchId, CallRecord, ResponseId, Timestamp};
use sqlx::AssertSqlSafe;

use crate::columns::Columns;
use crate::database::{Engine, Write};
use crate::ledger::{COLUMNS, bind};
use crate::many_rows::{in_chunks, insert_statement};
use crate::{Objectives, Spent, Store, StoreError, rollup, service_level, spend};

/// The columns of what a call was made for, which most calls have nothing in.
const ORIGIN_COLUMNS: [&str; 3] = ["call_id", "response_id", "batch_id"];

/// What came of writing records.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Inserted {
    /// Records that were not in the ledger before.
    pub new: u64,
    /// What the new ones spent of budgets.
    pub spent: Vec<Spent>,
}

/// What records are counted by beside usage, as it was at one generation.
#[derive(Debug)]
struct Rules {
    generation: i64,
    objectives: Objectives,
    budgets: spend::Counted,
}

/// The rules of the newest generation that this store has seen.
#[derive(Debug, Default)]
pub(crate) struct KnownRules(Mutex<Option<Arc<Rules>>>);

impl Store {
    /// Writes the records of this node, all of them or none, and says what is new. A record whose
    /// id is already in the ledger changes nothing, so a batch may be sent again after a failure.
    ///
    /// # Errors
    /// [`StoreError::Unstorable`] names a record that the database will never take; without it, the
    /// others can be written.
    pub async fn call_insert(
        &self,
        node: &str,
        records: &[CallRecord],
    ) -> Result<Inserted, StoreError> {
        match self.call_try(node, records, true).await {
            Err(StoreError::Refused { reason }) => {
                Err(self.call_refused(node, records, reason).await?)
            }
            done => done,
        }
    }

    /// Finds one record that the database refuses, by halves.
    async fn call_refused(
        &self,
        node: &str,
        records: &[CallRecord],
        reason: String,
    ) -> Result<StoreError, StoreError> {
        let mut suspects = records;
        let mut said = reason;
        while suspects.len() > 1 {
            let (left, right) = suspects.split_at(suspects.len() / 2);
            suspects = match self.call_try(node, left, false).await {
                Ok(_) => right,
                Err(StoreError::Refused { reason }) => {
                    said = reason;
                    left
                }
                Err(error) => return Err(error),
            };
        }
        match suspects {
            [record] => match self.call_try(node, suspects, false).await {
                Err(StoreError::Refused { reason }) => {
                    Ok(StoreError::Unstorable { id: record.id.clone(), reason })
                }
                // Each alone is taken, only together they are not.
                Ok(_) => Ok(StoreError::Refused { reason: said }),
                Err(error) => Err(error),
            },
            _ => Ok(StoreError::Refused { reason: said }),
        }
    }

    /// Writes the records, or only finds out whether they can be written.
    async fn call_try(
        &self,
        node: &str,
        records: &[CallRecord],
        keep: bool,
    ) -> Result<Inserted, StoreError> {
        let engine = self.database().engine();
        // Who writes the same records at once, in another order, must not wait in a circle.
        let mut records: Vec<_> = records.iter().collect();
        records.sort_by(|one, other| one.id.as_str().cmp(other.id.as_str()));
        let mut write = self.write().await?;
        let mut rules = self.known_rules().at(&mut write, engine).await?;
        let new = if insert(&mut write, engine, &records).await? {
            records
        } else {
            drop(write);
            write = self.write().await?;
            rules = self.known_rules().at(&mut write, engine).await?;
            insert_new(&mut write, engine, &records).await?
        };
        insert_origins(&mut write, engine, &new).await?;
        let inserted = count(&mut write, engine, node, &rules, self.now(), &new).await?;
        if keep {
            write.commit().await?;
        }
        Ok(inserted)
    }
}

/// Writes rows, and says whether all were new. They nearly always are, and to be told the new ones'
/// ids costs half as much as writing them.
async fn insert(
    write: &mut Write<'_>,
    engine: Engine,
    records: &[&CallRecord],
) -> Result<bool, StoreError> {
    for chunk in in_chunks(engine, records) {
        let insert = insert_statement(engine, "call", &COLUMNS, chunk.len());
        let sql = format!("{insert} ON CONFLICT (id) DO NOTHING");
        let query = chunk.iter().copied().fold(sqlx::query(AssertSqlSafe(sql)), bind);
        let rows = query.execute(write.connection()).await?.rows_affected();
        if rows < chunk.len() as u64 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes rows, and gives the records that were new.
async fn insert_new<'a>(
    write: &mut Write<'_>,
    engine: Engine,
    records: &[&'a CallRecord],
) -> Result<Vec<&'a CallRecord>, StoreError> {
    let mut ids = HashSet::with_capacity(records.len());
    for chunk in in_chunks(engine, records) {
        let insert = insert_statement(engine, "call", &COLUMNS, chunk.len());
        let sql = format!("{insert} ON CONFLICT (id) DO NOTHING RETURNING id");
        let query = chunk.iter().copied().fold(sqlx::query(AssertSqlSafe(sql)), bind);
        for row in query.fetch_all(write.connection()).await? {
            ids.insert(row.text("id")?);
        }
    }
    // Of two records with one id it is the first that was written.
    Ok(records.iter().copied().filter(|record| ids.remove(record.id.as_str())).collect())
}

/// Writes what the new calls were made for.
async fn insert_origins(
    write: &mut Write<'_>,
    engine: Engine,
    new: &[&CallRecord],
) -> Result<(), StoreError> {
    let made = |record: &&&CallRecord| record.response.is_some() || record.batch.is_some();
    let origins: Vec<_> = new.iter().filter(made).collect();
    for chunk in in_chunks(engine, &origins) {
        let insert = insert_statement(engine, "call_origin", &ORIGIN_COLUMNS, chunk.len());
        let sql = format!("{insert} ON CONFLICT (call_id) DO NOTHING");
        let query = chunk.iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, record| {
            query
                .bind(record.id.as_str())
                .bind(record.response.as_ref().map(ResponseId::as_str))
                .bind(record.batch.as_ref().map(BatchId::as_str))
        });
        query.execute(write.connection()).await?;
    }
    Ok(())
}

/// Counts new records wherever calls are counted. All nodes do it in this order, and after the rows
/// of the ledger, which take longest and wait for nobody.
async fn count(
    write: &mut Write<'_>,
    engine: Engine,
    node: &str,
    rules: &Rules,
    now: Timestamp,
    new: &[&CallRecord],
) -> Result<Inserted, StoreError> {
    if new.is_empty() {
        return Ok(Inserted::default());
    }
    rollup::add(write, engine, now, new).await?;
    service_level::record(write, engine, &rules.objectives, new).await?;
    let spent = spend::record(write, engine, node, &rules.budgets, new).await?;
    Ok(Inserted { new: new.len() as u64, spent })
}

impl KnownRules {
    /// The rules that hold in this transaction. Whoever changes them raises the generation first,
    /// and waits there until this transaction is over; so no call is counted by old rules after the
    /// new ones were looked up.
    async fn at(&self, write: &mut Write<'_>, engine: Engine) -> Result<Arc<Rules>, StoreError> {
        let sql = match engine {
            Engine::Sqlite => "SELECT value FROM generation WHERE id = 1",
            Engine::Postgres => "SELECT value FROM generation WHERE id = 1 FOR SHARE",
        };
        let generation = sqlx::query(sql).fetch_one(write.connection()).await?.number("value")?;
        if let Some(rules) = self.lock().as_ref().filter(|rules| rules.generation == generation) {
            return Ok(Arc::clone(rules));
        }
        let rules = Arc::new(Rules {
            generation,
            objectives: Objectives::load(write.connection()).await?,
            budgets: spend::Counted::load(write.connection()).await?,
        });
        *self.lock() = Some(Arc::clone(&rules));
        Ok(rules)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Rules>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
