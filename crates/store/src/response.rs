//! Responses: what was asked, what was answered, and where it stands.

use kernel::{
    ApiKeyId, ConversationId, OrganizationId, ProjectId, RequestId, ResponseId, Scope,
    ServiceAccountId, Timestamp,
};
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::columns::{Columns, to_micros, without_nul};
use crate::conversation_item::{append, seal_items};
use crate::redact::debug_only;
use crate::scope::{check_owner, one_project, project_of};
use crate::{EventChunk, NewItem, Sealer, Store, StoreError, response_event};

/// How far a response is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseStatus {
    /// It waits for a node.
    Queued,
    /// A node works on it.
    InProgress,
    /// It has its whole answer.
    Completed,
    /// It ended with an error.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// Its answer was cut off, and says why.
    Incomplete,
}

impl ResponseStatus {
    /// The name that the database and the API use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Incomplete => "incomplete",
        }
    }

    /// Whether it is over: the response changes no more.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::InProgress)
    }
}

/// A response as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct ResponseRow {
    /// Its id.
    pub id: ResponseId,
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
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// The alias that was asked for.
    pub model: String,
    /// How far it is.
    pub status: ResponseStatus,
    /// Whether it is made apart from the client's connection.
    pub background: bool,
    /// Whether its events are kept for clients that stream it.
    pub streamed: bool,
    /// The response that it follows.
    pub previous: Option<ResponseId>,
    /// The conversation that it belongs to.
    pub conversation: Option<ConversationId>,
    /// Its own input items, a JSON array. Content.
    pub input: Vec<u8>,
    /// The response object. Content.
    pub body: Vec<u8>,
    /// What a run in the background needs; gone when the response has ended. Content.
    pub request: Option<Vec<u8>>,
}

debug_only!(ResponseRow: id, project, created_at, status, background, previous, conversation);

/// A node's promise to work on something until a moment, when others may take it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lease<'a> {
    /// The node.
    pub node: &'a str,
    /// When the promise is over.
    pub until: Timestamp,
}

const TABLE: &str = "response";

impl Store {
    /// Writes responses of the scope, all of them or none, each with the items that it adds to its
    /// conversation. `lease` is for those that are not over yet.
    ///
    /// # Errors
    /// As [`Store::response_insert_all`]; [`StoreError::NotFound`] when a row is not in the scope.
    pub async fn response_insert(
        &self,
        scope: &Scope,
        rows: &[(ResponseRow, Vec<NewItem>)],
        lease: Option<Lease<'_>>,
    ) -> Result<(), StoreError> {
        for (row, _) in rows {
            check_owner(scope, &row.organization, &row.project)?;
        }
        self.response_insert_all(rows, lease).await
    }

    /// Writes responses of several tenants in one transaction, as a node does with all that ended
    /// in the same moment. Each row says whose it is.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when a row's conversation is not in its project;
    /// [`StoreError::Conflict`] when an id is taken; [`StoreError::Invalid`] when a response in
    /// progress has no lease, since then no node would answer for it.
    pub async fn response_insert_all(
        &self,
        rows: &[(ResponseRow, Vec<NewItem>)],
        lease: Option<Lease<'_>>,
    ) -> Result<(), StoreError> {
        let mut sealed = Vec::with_capacity(rows.len());
        let mut appends = Vec::new();
        for (row, items) in rows {
            if row.status == ResponseStatus::InProgress && lease.is_none() {
                return Err(StoreError::invalid("a response in progress", "must have a lease"));
            }
            let sealer = self.sealer(&row.project).await?;
            sealed.push((row, SealedContent::of(row, &sealer)?));
            if let Some(conversation) = &row.conversation {
                appends.push((conversation, row, seal_items(&sealer, conversation, items)?));
            }
        }
        // In one order for everybody: two nodes never wait for each other's conversations.
        appends.sort_by_key(|(conversation, ..)| *conversation);
        let now = self.now();
        let mut write = self.write().await?;
        for (row, content) in sealed {
            insert(write.connection(), row, content, lease).await?;
        }
        for (conversation, row, items) in appends {
            if !append(write.connection(), &row.project, conversation, items, now).await? {
                return Err(StoreError::not_found("conversation", conversation.as_str()));
            }
        }
        write.commit().await
    }

    /// One response in the scope.
    pub async fn response_get(
        &self,
        scope: &Scope,
        id: &ResponseId,
    ) -> Result<ResponseRow, StoreError> {
        let row = find(&mut *self.read().await?, scope, id).await?;
        response(&row, &self.sealer(&row.text("project_id")?.into()).await?)
    }

    /// How far a response is, without opening what it holds.
    pub async fn response_status(
        &self,
        scope: &Scope,
        id: &ResponseId,
    ) -> Result<ResponseStatus, StoreError> {
        find(&mut *self.read().await?, scope, id).await?.word("status")
    }

    /// Deletes a response with its events.
    pub async fn response_delete(&self, scope: &Scope, id: &ResponseId) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let row = find(write.connection(), scope, id).await?;
        let id = row.text("id")?;
        for statement in [
            // The row is locked first: no event comes in between.
            "UPDATE response SET status = status WHERE id = $1",
            "DELETE FROM response_event WHERE response_id = $1",
            "DELETE FROM response WHERE id = $1",
        ] {
            sqlx::query(statement).bind(id.as_str()).execute(write.connection()).await?;
        }
        write.commit().await
    }

    /// A response and all that it follows, the oldest first.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] names the response that is missing, the first of the chain or one
    /// before it; [`StoreError::Conflict`] when there are more than `most`.
    pub async fn response_chain(
        &self,
        scope: &Scope,
        id: &ResponseId,
        most: u32,
    ) -> Result<Vec<ResponseRow>, StoreError> {
        let rows = sqlx::query(
            "WITH RECURSIVE chain (id, previous_id, project_id, depth) AS (
                 SELECT id, previous_id, project_id, CAST(1 AS BIGINT) FROM response
                 WHERE id = $1 AND organization_id = $2 AND ($3 IS NULL OR project_id = $3)
                 UNION ALL
                 SELECT older.id, older.previous_id, older.project_id, chain.depth + 1
                 FROM response older JOIN chain ON older.id = chain.previous_id
                 WHERE older.project_id = chain.project_id AND chain.depth < $4
             )
             SELECT response.* FROM chain JOIN response ON response.id = chain.id
             ORDER BY chain.depth DESC",
        )
        .bind(without_nul(id.as_str()))
        .bind(scope.organization.as_str())
        .bind(project_of(scope))
        .bind(i64::from(most))
        .fetch_all(&mut *self.read().await?)
        .await?;
        let Some(oldest) = rows.first() else {
            return Err(StoreError::not_found("response", id.as_str()));
        };
        if let Some(before) = oldest.text_or_null("previous_id")? {
            if rows.len() < usize::try_from(most).unwrap_or(usize::MAX) {
                return Err(StoreError::not_found("response", &before));
            }
            let reason = format!("follows more than {most} others; use a conversation");
            return Err(StoreError::conflict("response", id.as_str(), reason));
        }
        let sealer = self.sealer(&oldest.text("project_id")?.into()).await?;
        rows.iter().map(|row| response(row, &sealer)).collect()
    }

    /// Ends a response that is not over yet, and adds `items` to its conversation, if that is still
    /// there. Returns false, and changes nothing, when somebody else has ended it.
    pub async fn response_finish(
        &self,
        scope: &Scope,
        id: &ResponseId,
        status: ResponseStatus,
        completed_at: Option<Timestamp>,
        body: &[u8],
        items: &[NewItem],
    ) -> Result<bool, StoreError> {
        self.response_conclude(scope, id, status, completed_at, body, items, None).await
    }

    /// As [`Store::response_finish`], with the last run of its events in the same transaction: who
    /// sees that it is over finds its log complete.
    #[expect(clippy::too_many_arguments, reason = "all of it is one change")]
    pub async fn response_conclude(
        &self,
        scope: &Scope,
        id: &ResponseId,
        status: ResponseStatus,
        completed_at: Option<Timestamp>,
        body: &[u8],
        items: &[NewItem],
        last: Option<&EventChunk>,
    ) -> Result<bool, StoreError> {
        let project = one_project(scope, "a response")?;
        let row = find(&mut *self.read().await?, scope, id).await?;
        if row.word::<ResponseStatus>("status")?.is_final() {
            return Ok(false);
        }
        let sealer = self.sealer(project).await?;
        let body = sealer.seal_column(TABLE, "body", id.as_str(), body)?;
        let conversation = row.text_or_null("conversation_id")?.map(ConversationId::from);
        let appended = match &conversation {
            Some(conversation) => seal_items(&sealer, conversation, items)?,
            None => Vec::new(),
        };
        let last = last.map(|run| response_event::seal(&sealer, id, run)).transpose()?;
        let now = self.now();
        let mut write = self.write().await?;
        let ended = sqlx::query(
            "UPDATE response SET status = $1, completed_at = $2, body = $3, request = NULL,
              node = NULL, lease_until = NULL
             WHERE id = $4 AND status IN ('queued', 'in_progress')",
        )
        .bind(status.as_str())
        .bind(to_micros(completed_at))
        .bind(body)
        .bind(id.as_str())
        .execute(write.connection())
        .await?;
        if ended.rows_affected() == 0 {
            return Ok(false);
        }
        if let (Some(conversation), false) = (&conversation, appended.is_empty()) {
            append(write.connection(), project, conversation, appended, now).await?;
        }
        if let Some(last) = last {
            last.insert(write.connection(), scope, project).await?;
        }
        write.commit().await?;
        Ok(true)
    }
}

/// The sealed columns of a response.
struct SealedContent {
    input: Vec<u8>,
    body: Vec<u8>,
    request: Option<Vec<u8>>,
}

impl SealedContent {
    fn of(row: &ResponseRow, sealer: &Sealer) -> Result<Self, StoreError> {
        let seal = |column, value| sealer.seal_column(TABLE, column, row.id.as_str(), value);
        Ok(Self {
            input: seal("input", &row.input)?,
            body: seal("body", &row.body)?,
            request: row.request.as_deref().map(|value| seal("request", value)).transpose()?,
        })
    }
}

async fn insert(
    connection: &mut AnyConnection,
    row: &ResponseRow,
    content: SealedContent,
    lease: Option<Lease<'_>>,
) -> Result<(), StoreError> {
    let lease = lease.filter(|_| !row.status.is_final());
    sqlx::query(
        "INSERT INTO response
         (id, organization_id, project_id, api_key_id, service_account_id, call_id, created_at,
          completed_at, model, status, background, streamed, previous_id, conversation_id, node,
          lease_until, input, body, request)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
          $19)",
    )
    .bind(row.id.as_str())
    .bind(row.organization.as_str())
    .bind(row.project.as_str())
    .bind(row.api_key.as_str())
    .bind(row.service_account.as_ref().map(ServiceAccountId::as_str))
    .bind(row.call.as_str())
    .bind(row.created_at.as_micros())
    .bind(to_micros(row.completed_at))
    .bind(without_nul(&row.model))
    .bind(row.status.as_str())
    .bind(i64::from(row.background))
    .bind(i64::from(row.streamed))
    .bind(row.previous.as_ref().map(ResponseId::as_str))
    .bind(row.conversation.as_ref().map(ConversationId::as_str))
    .bind(lease.map(|lease| lease.node))
    .bind(lease.map(|lease| lease.until.as_micros()))
    .bind(content.input)
    .bind(content.body)
    .bind(content.request)
    .execute(connection)
    .await
    .map_err(|error| {
        StoreError::unless_duplicate(error, || {
            StoreError::conflict("response", row.id.as_str(), "is there already")
        })
    })?;
    Ok(())
}

/// The response's row, if it is in the scope.
pub(crate) async fn find(
    connection: &mut AnyConnection,
    scope: &Scope,
    id: &ResponseId,
) -> Result<AnyRow, StoreError> {
    sqlx::query(
        "SELECT * FROM response
         WHERE id = $1 AND organization_id = $2 AND ($3 IS NULL OR project_id = $3)",
    )
    .bind(without_nul(id.as_str()))
    .bind(scope.organization.as_str())
    .bind(project_of(scope))
    .fetch_optional(connection)
    .await?
    .ok_or_else(|| StoreError::not_found("response", id.as_str()))
}

pub(crate) fn response(row: &AnyRow, sealer: &Sealer) -> Result<ResponseRow, StoreError> {
    let id: ResponseId = row.text("id")?.into();
    let content = |column| sealer.content(row, TABLE, column, id.as_str());
    Ok(ResponseRow {
        organization: row.text("organization_id")?.into(),
        project: row.text("project_id")?.into(),
        api_key: row.text("api_key_id")?.into(),
        service_account: row.text_or_null("service_account_id")?.map(Into::into),
        call: row.text("call_id")?.into(),
        created_at: row.time("created_at")?,
        completed_at: row.time_or_null("completed_at")?,
        model: row.text("model")?,
        status: row.word("status")?,
        background: row.truth("background")?,
        streamed: row.truth("streamed")?,
        previous: row.text_or_null("previous_id")?.map(Into::into),
        conversation: row.text_or_null("conversation_id")?.map(Into::into),
        input: content("input")?,
        body: content("body")?,
        request: sealer.content_or_null(row, TABLE, "request", id.as_str())?,
        id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_stored_under_the_name_that_it_is_read_by() {
        use ResponseStatus::{Cancelled, Completed, Failed, InProgress, Incomplete, Queued};
        for status in [Queued, InProgress, Completed, Failed, Cancelled, Incomplete] {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
            assert_eq!(status.is_final(), !matches!(status, Queued | InProgress));
        }
    }
}
