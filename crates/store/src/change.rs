//! Administrative changes. A change is committed with its entry in the audit log or not at all: the
//! compiler asks for the entry, and the database takes both or neither.

use std::sync::Arc;

use audit::{Digest, Link, SealKey};
use kernel::Actor;
use sqlx::AnyConnection;
use zeroize::Zeroizing;

use crate::audit_event::{insert, lock_head, move_head};
use crate::columns::{Columns, unreadable};
use crate::database::Write;
use crate::event::Event;
use crate::{Store, StoreError};

/// A transaction that changes what people administer. It is undone unless it is committed.
pub(crate) struct Change<'a> {
    store: &'a Store,
    actor: Actor,
    write: Write<'a>,
}

impl Store {
    /// A handle on the same store that acts as somebody. One that acts as nobody only reads.
    #[must_use]
    pub fn by(&self, actor: &Actor) -> Self {
        self.acting(actor.clone())
    }

    /// Begins a change. The generation goes up first: its row is then locked, so changes happen one
    /// after the other, and what one of them checks still holds when it commits.
    ///
    /// # Errors
    /// [`StoreError::Unattributed`] when this handle acts as nobody.
    pub(crate) async fn change(&self) -> Result<Change<'_>, StoreError> {
        let actor = self.actor().cloned().ok_or(StoreError::Unattributed)?;
        let mut write = self.write().await?;
        sqlx::query("UPDATE generation SET value = value + 1 WHERE id = 1")
            .execute(write.connection())
            .await?;
        Ok(Change { store: self, actor, write })
    }
}

impl Change<'_> {
    pub(crate) fn connection(&mut self) -> &mut AnyConnection {
        self.write.connection()
    }

    /// Commits the change together with its entry in the audit log.
    pub(crate) async fn commit(mut self, event: Event) -> Result<(), StoreError> {
        self.log(event).await?;
        self.write.commit().await
    }

    /// Writes an entry for a part of a change that has several.
    pub(crate) async fn log(&mut self, event: Event) -> Result<(), StoreError> {
        let key = self.store.seal_key(self.write.connection()).await?;
        let chain = event.chain(&self.actor);
        let head = lock_head(self.store, self.write.connection(), &chain).await?;
        let (now, rng) = (self.store.now(), self.store.rng());
        let entry = event.into_entry(chain, head.sequence + 1, &self.actor, now, rng);
        let link = Link::new(entry, head.hash, &key);
        insert(self.write.connection(), &link).await?;
        move_head(self.write.connection(), &link).await
    }
}

impl Store {
    /// The key that entries are sealed with, made with the first entry. It lies in the database
    /// under the master key, so that who can write there and nothing more can forge no entry.
    async fn seal_key(&self, connection: &mut AnyConnection) -> Result<Arc<SealKey>, StoreError> {
        if let Some(key) = self.audit_key().get() {
            return Ok(Arc::clone(key));
        }
        if let Some(key) = self.seal_key_there(connection).await? {
            return Ok(key);
        }
        let mut bytes = Zeroizing::new([0; 32]);
        self.rng().fill(bytes.as_mut());
        sqlx::query("INSERT INTO audit_key (id, sealed) VALUES (1, $1)")
            .bind(self.seal("audit_key", "sealed", "1", bytes.as_slice())?)
            .execute(connection)
            .await?;
        // Not kept in memory: should this change be undone, so is the key.
        Ok(Arc::new(SealKey::new(&bytes)))
    }

    /// The same, if there is one.
    pub(crate) async fn seal_key_there(
        &self,
        connection: &mut AnyConnection,
    ) -> Result<Option<Arc<SealKey>>, StoreError> {
        let row = sqlx::query("SELECT sealed FROM audit_key WHERE id = 1")
            .fetch_optional(connection)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let opened = self.unseal("audit_key", "sealed", "1", &row.bytes("sealed")?)?;
        let bytes: &[u8; 32] = opened
            .as_slice()
            .try_into()
            .map_err(|_| unreadable("audit_key.sealed", "it is no key of 32 bytes"))?;
        Ok(Some(Arc::clone(self.audit_key().get_or_init(|| Arc::new(SealKey::new(bytes))))))
    }
}

/// A stored hash. What is none reads as one that fits nothing, so that a check names the row.
pub(crate) fn digest(bytes: Vec<u8>) -> Digest {
    bytes.try_into().map_or(Digest::ZERO, audit::Hex)
}
