//! What was told already, so that it is told once, however many nodes watch.

use kernel::Timestamp;
use sqlx::AnyConnection;

use crate::columns::Columns;
use crate::{NewNotice, Store, StoreError, notice};

/// What is told once: something of a source that befell a subject in a period.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Firing {
    /// The id of the alert or budget, or the name of a rule.
    pub source: String,
    /// Which of the subjects that the source watches; empty where it watches one.
    pub subject: String,
    /// The beginning of the period; the beginning of time for what lasts until it is over.
    pub period_start: Timestamp,
}

impl Store {
    /// Puts notices into the outbox, unless this was told before. Returns whether it was not.
    pub async fn alert_fire(
        &self,
        firing: &Firing,
        notices: Vec<NewNotice>,
    ) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let fired = sqlx::query(
            "INSERT INTO alert_fired (source, subject, period_start, fired_at)
             VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        )
        .bind(firing.source.as_str())
        .bind(firing.subject.as_str())
        .bind(firing.period_start.as_micros())
        .bind(self.now().as_micros())
        .execute(write.connection())
        .await?;
        if fired.rows_affected() == 0 {
            return Ok(false);
        }
        notice::insert(self, &mut write, notices).await?;
        write.commit().await?;
        Ok(true)
    }

    /// Puts notices into the outbox that something is over, unless it had been before. From then on
    /// it can be told anew.
    pub async fn alert_end(
        &self,
        firing: &Firing,
        notices: Vec<NewNotice>,
    ) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let ended = sqlx::query(
            "DELETE FROM alert_fired WHERE source = $1 AND subject = $2 AND period_start = $3",
        )
        .bind(firing.source.as_str())
        .bind(firing.subject.as_str())
        .bind(firing.period_start.as_micros())
        .execute(write.connection())
        .await?;
        if ended.rows_affected() == 0 {
            return Ok(false);
        }
        notice::insert(self, &mut write, notices).await?;
        write.commit().await?;
        Ok(true)
    }

    /// What was told of a source since the beginning of a period.
    pub async fn alert_fired(
        &self,
        source: &str,
        since: Timestamp,
    ) -> Result<Vec<Firing>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM alert_fired WHERE source = $1 AND period_start >= $2
             ORDER BY subject, period_start",
        )
        .bind(source)
        .bind(since.as_micros())
        .fetch_all(&mut *self.read().await?)
        .await?;
        let firing = |row: &sqlx::any::AnyRow| {
            Ok(Firing {
                source: row.text("source")?,
                subject: row.text("subject")?,
                period_start: row.time("period_start")?,
            })
        };
        rows.iter().map(firing).collect()
    }

    /// Forgets what was told of periods that began before then.
    pub async fn alert_trim(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut write = self.write().await?;
        // What began with time itself lasts.
        let deleted =
            sqlx::query("DELETE FROM alert_fired WHERE period_start < $1 AND period_start <> 0")
                .bind(before.as_micros())
                .execute(write.connection())
                .await?;
        write.commit().await?;
        Ok(deleted.rows_affected())
    }
}

/// Forgets all that was told of a source.
pub(crate) async fn forget(connection: &mut AnyConnection, source: &str) -> Result<(), StoreError> {
    let query = sqlx::query("DELETE FROM alert_fired WHERE source = $1").bind(source);
    query.execute(connection).await?;
    Ok(())
}
