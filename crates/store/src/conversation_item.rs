//! The items of conversations, in the order in which they were added.

use kernel::{ConversationId, ProjectId, Scope, Timestamp};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::columns::{Columns, to_number, without_nul};
use crate::conversation::{find, lock, not_found};
use crate::redact::debug_only;
use crate::{ItemPage, Paged, Sealer, Store, StoreError};

/// An item to be added to a conversation.
#[derive(Clone, PartialEq, Eq)]
pub struct NewItem {
    /// Its id, unique in the conversation.
    pub id: String,
    /// The item, as JSON. Content.
    pub body: Vec<u8>,
}

debug_only!(NewItem: id);

/// An item of a conversation.
#[derive(Clone, PartialEq, Eq)]
pub struct ItemRow {
    /// Its id, unique in the conversation.
    pub id: String,
    /// The item, as JSON. Content.
    pub body: Vec<u8>,
    /// When it was added.
    pub created_at: Timestamp,
}

debug_only!(ItemRow: id, created_at);

const TABLE: &str = "conversation_item";

impl Store {
    /// One page of a conversation's items.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] also when `page.after` names no item of it.
    pub async fn conversation_items(
        &self,
        scope: &Scope,
        id: &ConversationId,
        page: &ItemPage,
    ) -> Result<Paged<ItemRow>, StoreError> {
        let (rows, project) = {
            let mut connection = self.read().await?;
            let owner = find(&mut connection, scope, id).await?;
            let after = match &page.after {
                Some(item) => find_item(&mut connection, id, item).await?.number("place")?,
                None => page.start(),
            };
            let (than, order) = page.direction();
            let sql = format!(
                "SELECT * FROM conversation_item WHERE conversation_id = $1 AND place {than} $2
                 ORDER BY place {order} LIMIT $3"
            );
            let rows = sqlx::query(AssertSqlSafe(sql))
                .bind(id.as_str())
                .bind(after)
                .bind(page.fetch())
                .fetch_all(&mut *connection)
                .await?;
            (rows, owner.text("project_id")?.into())
        };
        let sealer = self.sealer(&project).await?;
        let items = rows.iter().map(|row| item(row, &sealer)).collect::<Result<_, _>>()?;
        Ok(Paged::cut_at(items, page.limit))
    }

    /// All items of a conversation, the oldest first.
    pub async fn conversation_items_all(
        &self,
        scope: &Scope,
        id: &ConversationId,
    ) -> Result<Vec<ItemRow>, StoreError> {
        let all = ItemPage { after: None, limit: u32::MAX, descending: false };
        Ok(self.conversation_items(scope, id, &all).await?.data)
    }

    /// Adds items to the end of a conversation, all of them or none.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the conversation has an item with one of the ids.
    pub async fn conversation_item_append(
        &self,
        scope: &Scope,
        id: &ConversationId,
        items: &[NewItem],
    ) -> Result<(), StoreError> {
        let row = find(&mut *self.read().await?, scope, id).await?;
        let project = row.text("project_id")?.into();
        let items = seal_items(&self.sealer(&project).await?, id, items)?;
        let now = self.now();
        let mut write = self.write().await?;
        if !append(write.connection(), &project, id, items, now).await? {
            return Err(not_found(id));
        }
        write.commit().await
    }

    /// One item of a conversation.
    pub async fn conversation_item_get(
        &self,
        scope: &Scope,
        id: &ConversationId,
        item_id: &str,
    ) -> Result<ItemRow, StoreError> {
        let owner = find(&mut *self.read().await?, scope, id).await?;
        let row = find_item(&mut *self.read().await?, id, item_id).await?;
        item(&row, &self.sealer(&owner.text("project_id")?.into()).await?)
    }

    /// Deletes one item of a conversation.
    pub async fn conversation_item_delete(
        &self,
        scope: &Scope,
        id: &ConversationId,
        item_id: &str,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        lock(write.connection(), scope, id).await?;
        let deleted =
            sqlx::query("DELETE FROM conversation_item WHERE conversation_id = $1 AND id = $2")
                .bind(id.as_str())
                .bind(without_nul(item_id))
                .execute(write.connection())
                .await?;
        if deleted.rows_affected() == 0 {
            return Err(StoreError::not_found("conversation item", item_id));
        }
        write.commit().await
    }
}

/// An item whose body is sealed.
pub(crate) struct SealedItem {
    id: String,
    body: Vec<u8>,
}

/// Seals items for a conversation; before a transaction, since the key may have to be fetched.
pub(crate) fn seal_items(
    sealer: &Sealer,
    conversation: &ConversationId,
    items: &[NewItem],
) -> Result<Vec<SealedItem>, StoreError> {
    let seal = |item: &NewItem| {
        let id = without_nul(&item.id);
        let body = sealer.seal_column(TABLE, "body", &place(conversation, &id), &item.body)?;
        Ok(SealedItem { id, body })
    };
    items.iter().map(seal).collect()
}

/// Adds items to the end of a project's conversation. Returns false when there is no such
/// conversation. Its row stays locked until the transaction ends, so places are given out in turn.
pub(crate) async fn append(
    connection: &mut AnyConnection,
    project: &ProjectId,
    conversation: &ConversationId,
    items: Vec<SealedItem>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let count = to_number(items.len() as u64);
    let row = sqlx::query(
        "UPDATE conversation SET next_place = next_place + $1, updated_at = $2
         WHERE id = $3 AND project_id = $4 RETURNING next_place",
    )
    .bind(count)
    .bind(now.as_micros())
    .bind(conversation.as_str())
    .bind(project.as_str())
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else { return Ok(false) };
    let first = row.number("next_place")? - count;
    for (place, item) in (first..).zip(items) {
        sqlx::query(
            "INSERT INTO conversation_item (conversation_id, id, place, created_at, body)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(conversation.as_str())
        .bind(item.id.as_str())
        .bind(place)
        .bind(now.as_micros())
        .bind(item.body)
        .execute(&mut *connection)
        .await
        .map_err(|error| {
            StoreError::unless_duplicate(error, || {
                let reason = "is in the conversation already; leave it out, or give it another id";
                StoreError::conflict("conversation item", &item.id, reason)
            })
        })?;
    }
    Ok(true)
}

async fn find_item(
    connection: &mut AnyConnection,
    conversation: &ConversationId,
    item: &str,
) -> Result<AnyRow, StoreError> {
    sqlx::query("SELECT * FROM conversation_item WHERE conversation_id = $1 AND id = $2")
        .bind(conversation.as_str())
        .bind(without_nul(item))
        .fetch_optional(connection)
        .await?
        .ok_or_else(|| StoreError::not_found("conversation item", item))
}

/// Where an item is sealed for.
fn place(conversation: &ConversationId, item: &str) -> String {
    format!("{conversation}/{item}")
}

fn item(row: &AnyRow, sealer: &Sealer) -> Result<ItemRow, StoreError> {
    let id = row.text("id")?;
    let conversation = row.text("conversation_id")?.into();
    Ok(ItemRow {
        body: sealer.content(row, TABLE, "body", &place(&conversation, &id))?,
        created_at: row.time("created_at")?,
        id,
    })
}
