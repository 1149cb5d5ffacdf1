//! Chat completions that clients asked to be stored.

use std::collections::BTreeMap;

use kernel::{ApiKeyId, OrganizationId, ProjectId, RequestId, Scope, ServiceAccountId, Timestamp};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::columns::{Columns, without_nul};
use crate::redact::debug_only;
use crate::scope::{check_owner, one_project};
use crate::{ItemPage, Paged, Sealer, Store, StoreError};

/// A stored chat completion.
#[derive(Clone, PartialEq, Eq)]
pub struct ChatCompletionRow {
    /// Its id, unique in its project.
    pub id: String,
    /// Whose it is.
    pub organization: OrganizationId,
    /// In which project.
    pub project: ProjectId,
    /// The key that asked for it.
    pub api_key: ApiKeyId,
    /// Whose key, where a service account owns it.
    pub service_account: Option<ServiceAccountId>,
    /// The request that asked for it.
    pub call: RequestId,
    /// When it was made.
    pub created_at: Timestamp,
    /// The alias that was asked for.
    pub model: String,
    /// The client's notes on it, a JSON object. Content.
    pub metadata: String,
    /// The messages of the request, a JSON array. Content.
    pub messages: Vec<u8>,
    /// The completion object. Content.
    pub body: Vec<u8>,
}

debug_only!(ChatCompletionRow: id, project, created_at);

/// Which stored chat completions are listed, and which part of the list is wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChatFilter {
    /// Those of this model alias.
    pub model: Option<String>,
    /// Those whose notes have all of these pairs.
    pub metadata: BTreeMap<String, String>,
    /// The part of the list.
    pub page: ItemPage,
}

const TABLE: &str = "chat_completion";

/// Rows that are opened at once when notes are looked through, which the database cannot read.
const LOOKED_THROUGH: i64 = 200;

impl Store {
    /// Stores a chat completion of the scope.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the project has one with this id.
    pub async fn chat_completion_insert(
        &self,
        scope: &Scope,
        row: &ChatCompletionRow,
    ) -> Result<(), StoreError> {
        check_owner(scope, &row.organization, &row.project)?;
        let sealer = self.sealer(&row.project).await?;
        let id = without_nul(&row.id);
        let seal = |column, value| sealer.seal_column(TABLE, column, &id, value);
        let metadata = seal("metadata", row.metadata.as_bytes())?;
        let messages = seal("messages", &row.messages)?;
        let body = seal("body", &row.body)?;
        let mut write = self.write().await?;
        sqlx::query(
            "INSERT INTO chat_completion
             (id, organization_id, project_id, api_key_id, service_account_id, call_id, created_at,
              model, metadata, messages, body)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(id.as_str())
        .bind(row.organization.as_str())
        .bind(row.project.as_str())
        .bind(row.api_key.as_str())
        .bind(row.service_account.as_ref().map(ServiceAccountId::as_str))
        .bind(row.call.as_str())
        .bind(row.created_at.as_micros())
        .bind(without_nul(&row.model))
        .bind(metadata)
        .bind(messages)
        .bind(body)
        .execute(write.connection())
        .await
        .map_err(|error| {
            StoreError::unless_duplicate(error, || {
                StoreError::conflict("chat completion", &row.id, "is there already")
            })
        })?;
        write.commit().await
    }

    /// One stored chat completion of the scope's project.
    pub async fn chat_completion_get(
        &self,
        scope: &Scope,
        id: &str,
    ) -> Result<ChatCompletionRow, StoreError> {
        let project = one_project(scope, "a chat completion")?;
        let row = find(&mut *self.read().await?, scope, id).await?;
        chat(&row, &self.sealer(project).await?)
    }

    /// Stored chat completions of the scope's project, in the order in which they were made.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when `filter.page.after` names none.
    pub async fn chat_completion_list(
        &self,
        scope: &Scope,
        filter: &ChatFilter,
    ) -> Result<Paged<ChatCompletionRow>, StoreError> {
        let sealer = self.sealer(one_project(scope, "a chat completion")?).await?;
        let page = &filter.page;
        let wanted = usize::try_from(page.fetch()).unwrap_or(usize::MAX);
        let at_once = if filter.metadata.is_empty() { page.fetch() } else { LOOKED_THROUGH };
        let mut after = match &page.after {
            Some(id) => place(&find(&mut *self.read().await?, scope, id).await?)?,
            None => (page.start(), String::new()),
        };
        let mut found = Vec::new();
        loop {
            let rows = self.chats_after(scope, filter, &after, at_once).await?;
            for row in &rows {
                if has_pairs(row, &sealer, &filter.metadata)? {
                    found.push(chat(row, &sealer)?);
                }
                if found.len() == wanted {
                    return Ok(Paged::cut_at(found, page.limit));
                }
            }
            match rows.last() {
                Some(last) if !filter.metadata.is_empty() => after = place(last)?,
                _ => return Ok(Paged::cut_at(found, page.limit)),
            }
        }
    }

    /// Puts other notes on a stored chat completion, and the object that says so.
    pub async fn chat_completion_update(
        &self,
        scope: &Scope,
        id: &str,
        metadata: &str,
        body: &[u8],
    ) -> Result<(), StoreError> {
        let project = one_project(scope, "a chat completion")?;
        let found = find(&mut *self.read().await?, scope, id).await?.text("id")?;
        let sealer = self.sealer(project).await?;
        let metadata = sealer.seal_column(TABLE, "metadata", &found, metadata.as_bytes())?;
        let body = sealer.seal_column(TABLE, "body", &found, body)?;
        let mut write = self.write().await?;
        let updated = sqlx::query(
            "UPDATE chat_completion SET metadata = $1, body = $2 WHERE project_id = $3 AND id = $4",
        )
        .bind(metadata)
        .bind(body)
        .bind(project.as_str())
        .bind(found)
        .execute(write.connection())
        .await?;
        if updated.rows_affected() == 0 {
            return Err(StoreError::not_found("chat completion", id));
        }
        write.commit().await
    }

    /// Deletes a stored chat completion.
    pub async fn chat_completion_delete(&self, scope: &Scope, id: &str) -> Result<(), StoreError> {
        let project = one_project(scope, "a chat completion")?;
        let mut write = self.write().await?;
        let found = find(write.connection(), scope, id).await?.text("id")?;
        sqlx::query("DELETE FROM chat_completion WHERE project_id = $1 AND id = $2")
            .bind(project.as_str())
            .bind(found)
            .execute(write.connection())
            .await?;
        write.commit().await
    }

    async fn chats_after(
        &self,
        scope: &Scope,
        filter: &ChatFilter,
        (time, id): &(i64, String),
        limit: i64,
    ) -> Result<Vec<AnyRow>, StoreError> {
        let (than, order) = filter.page.direction();
        let sql = format!(
            "SELECT * FROM chat_completion
             WHERE organization_id = $1 AND project_id = $2 AND ($3 IS NULL OR model = $3)
               AND (created_at {than} $4 OR (created_at = $4 AND id {than} $5))
             ORDER BY created_at {order}, id {order} LIMIT $6"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(scope.organization.as_str())
            .bind(one_project(scope, "a chat completion")?.as_str())
            .bind(filter.model.as_deref().map(without_nul))
            .bind(*time)
            .bind(id.as_str())
            .bind(limit)
            .fetch_all(&mut *self.read().await?)
            .await?;
        Ok(rows)
    }
}

/// Where a row stands in the list.
fn place(row: &AnyRow) -> Result<(i64, String), StoreError> {
    Ok((row.number("created_at")?, row.text("id")?))
}

/// Whether a row's notes have all of these pairs. What is no JSON object has none.
fn has_pairs(
    row: &AnyRow,
    sealer: &Sealer,
    pairs: &BTreeMap<String, String>,
) -> Result<bool, StoreError> {
    if pairs.is_empty() {
        return Ok(true);
    }
    let metadata = sealer.content(row, TABLE, "metadata", &row.text("id")?)?;
    let notes: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(&metadata).unwrap_or_default();
    Ok(pairs.iter().all(|(name, value)| {
        notes.get(name).and_then(serde_json::Value::as_str) == Some(value.as_str())
    }))
}

async fn find(
    connection: &mut AnyConnection,
    scope: &Scope,
    id: &str,
) -> Result<AnyRow, StoreError> {
    sqlx::query(
        "SELECT * FROM chat_completion
         WHERE project_id = $1 AND id = $2 AND organization_id = $3",
    )
    .bind(one_project(scope, "a chat completion")?.as_str())
    .bind(without_nul(id))
    .bind(scope.organization.as_str())
    .fetch_optional(connection)
    .await?
    .ok_or_else(|| StoreError::not_found("chat completion", id))
}

fn chat(row: &AnyRow, sealer: &Sealer) -> Result<ChatCompletionRow, StoreError> {
    let id = row.text("id")?;
    Ok(ChatCompletionRow {
        organization: row.text("organization_id")?.into(),
        project: row.text("project_id")?.into(),
        api_key: row.text("api_key_id")?.into(),
        service_account: row.text_or_null("service_account_id")?.map(Into::into),
        call: row.text("call_id")?.into(),
        created_at: row.time("created_at")?,
        model: row.text("model")?,
        metadata: sealer.text(row, TABLE, "metadata", &id)?,
        messages: sealer.content(row, TABLE, "messages", &id)?,
        body: sealer.content(row, TABLE, "body", &id)?,
        id,
    })
}
