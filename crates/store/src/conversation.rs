//! Conversations; their items are in [`crate::conversation_item`].

use kernel::{ConversationId, OrganizationId, ProjectId, Scope, Timestamp};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::columns::{Columns, without_nul};
use crate::conversation_item::{append, seal_items};
use crate::redact::debug_only;
use crate::scope::{one_project, project_of};
use crate::{NewItem, Sealer, Store, StoreError};

/// A conversation, without its items.
#[derive(Clone, PartialEq, Eq)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// In which project.
    pub project: ProjectId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last added to or changed.
    pub updated_at: Timestamp,
    /// The client's notes on it, a JSON object. Content.
    pub metadata: String,
}

debug_only!(Conversation: id, project, created_at, updated_at);

/// A conversation to be made.
#[derive(Clone, PartialEq, Eq)]
pub struct NewConversation {
    /// Its id.
    pub id: ConversationId,
    /// The client's notes on it, a JSON object. Content.
    pub metadata: String,
}

debug_only!(NewConversation: id);

const TABLE: &str = "conversation";

impl Store {
    /// Makes a conversation of the scope's project with its first items.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the id is taken, or two items have the same.
    pub async fn conversation_create(
        &self,
        scope: &Scope,
        new: &NewConversation,
        items: &[NewItem],
    ) -> Result<Conversation, StoreError> {
        let project = one_project(scope, "a conversation")?;
        let sealer = self.sealer(project).await?;
        let sealed =
            sealer.seal_column(TABLE, "metadata", new.id.as_str(), new.metadata.as_bytes())?;
        let items = seal_items(&sealer, &new.id, items)?;
        let now = self.now();
        let mut write = self.write().await?;
        sqlx::query(
            "INSERT INTO conversation
             (id, organization_id, project_id, created_at, updated_at, next_place, metadata)
             VALUES ($1, $2, $3, $4, $4, 0, $5)",
        )
        .bind(new.id.as_str())
        .bind(scope.organization.as_str())
        .bind(project.as_str())
        .bind(now.as_micros())
        .bind(sealed)
        .execute(write.connection())
        .await
        .map_err(|error| {
            StoreError::unless_duplicate(error, || {
                StoreError::conflict("conversation", new.id.as_str(), "is there already")
            })
        })?;
        append(write.connection(), project, &new.id, items, now).await?;
        write.commit().await?;
        Ok(Conversation {
            id: new.id.clone(),
            organization: scope.organization.clone(),
            project: project.clone(),
            created_at: now,
            updated_at: now,
            metadata: new.metadata.clone(),
        })
    }

    /// One conversation in the scope.
    pub async fn conversation_get(
        &self,
        scope: &Scope,
        id: &ConversationId,
    ) -> Result<Conversation, StoreError> {
        let row = find(&mut *self.read().await?, scope, id).await?;
        conversation(&row, &self.sealer(&row.text("project_id")?.into()).await?)
    }

    /// Puts other notes on a conversation.
    pub async fn conversation_update(
        &self,
        scope: &Scope,
        id: &ConversationId,
        metadata: &str,
    ) -> Result<Conversation, StoreError> {
        let row = find(&mut *self.read().await?, scope, id).await?;
        let sealer = self.sealer(&row.text("project_id")?.into()).await?;
        let sealed = sealer.seal_column(TABLE, "metadata", id.as_str(), metadata.as_bytes())?;
        let mut write = self.write().await?;
        let row = sqlx::query(
            "UPDATE conversation SET metadata = $1, updated_at = $2 WHERE id = $3 RETURNING *",
        )
        .bind(sealed)
        .bind(self.now().as_micros())
        .bind(id.as_str())
        .fetch_optional(write.connection())
        .await?
        .ok_or_else(|| not_found(id))?;
        write.commit().await?;
        conversation(&row, &sealer)
    }

    /// Deletes a conversation with its items.
    pub async fn conversation_delete(
        &self,
        scope: &Scope,
        id: &ConversationId,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        lock(write.connection(), scope, id).await?;
        for statement in [
            "DELETE FROM conversation_item WHERE conversation_id = $1",
            "DELETE FROM conversation WHERE id = $1",
        ] {
            sqlx::query(statement).bind(id.as_str()).execute(write.connection()).await?;
        }
        write.commit().await
    }
}

pub(crate) async fn find(
    connection: &mut AnyConnection,
    scope: &Scope,
    id: &ConversationId,
) -> Result<AnyRow, StoreError> {
    sqlx::query(
        "SELECT * FROM conversation
         WHERE id = $1 AND organization_id = $2 AND ($3 IS NULL OR project_id = $3)",
    )
    .bind(without_nul(id.as_str()))
    .bind(scope.organization.as_str())
    .bind(project_of(scope))
    .fetch_optional(connection)
    .await?
    .ok_or_else(|| not_found(id))
}

/// Finds a conversation in the scope and keeps others from adding to it.
pub(crate) async fn lock(
    connection: &mut AnyConnection,
    scope: &Scope,
    id: &ConversationId,
) -> Result<(), StoreError> {
    find(connection, scope, id).await?;
    sqlx::query("UPDATE conversation SET next_place = next_place WHERE id = $1")
        .bind(id.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

pub(crate) fn not_found(id: &ConversationId) -> StoreError {
    StoreError::not_found("conversation", id.as_str())
}

fn conversation(row: &AnyRow, sealer: &Sealer) -> Result<Conversation, StoreError> {
    let id: ConversationId = row.text("id")?.into();
    Ok(Conversation {
        organization: row.text("organization_id")?.into(),
        project: row.text("project_id")?.into(),
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        metadata: sealer.text(row, TABLE, "metadata", id.as_str())?,
        id,
    })
}
