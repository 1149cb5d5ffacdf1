//! The audit log at one moment, while changes go on: entries and ends that belong together.

use audit::{Head, Link};
use sqlx::{Any, Transaction};

use crate::audit_event::{chains, heads, links};
use crate::{Store, StoreError};

/// The audit log as it stood when this was made. What is changed meanwhile is not in it.
pub struct AuditSnapshot {
    transaction: Transaction<'static, Any>,
    heads: Vec<Head>,
}

impl Store {
    /// The audit log as it stands now.
    pub async fn audit_snapshot(&self) -> Result<AuditSnapshot, StoreError> {
        let mut transaction = self.database().snapshot().await?;
        // The first statement decides which moment it is.
        let heads = heads(&mut transaction).await?;
        Ok(AuditSnapshot { transaction, heads })
    }
}

impl AuditSnapshot {
    /// The names of all chains, also of one whose head was taken away.
    pub async fn chains(&mut self) -> Result<Vec<String>, StoreError> {
        chains(&mut self.transaction).await
    }

    /// The end of a chain; `None` where nobody knows of any.
    pub fn head(&self, chain: &str) -> Option<&Head> {
        self.heads.iter().find(|head| head.chain == chain)
    }

    /// Entries of a chain, from behind a place on.
    pub async fn read(
        &mut self,
        chain: &str,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Link>, StoreError> {
        links(&mut self.transaction, chain, after, limit).await
    }

    /// Lets go of it.
    pub async fn close(self) -> Result<(), StoreError> {
        Ok(self.transaction.rollback().await?)
    }
}
