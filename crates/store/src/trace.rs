//! Traces of clients' agents: what they tell of their runs, tied to the calls of ours in them.

use kernel::{RequestId, ResponseId, Scope, Timestamp};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::columns::{Columns, to_micros, without_nul};
use crate::redact::debug_only;
use crate::scope::one_project;
use crate::{Page, Paged, Sealer, Store, StoreError};

/// A trace, without its spans.
#[derive(Clone, PartialEq, Eq)]
pub struct TraceRow {
    /// The client's id, unique in its project.
    pub id: String,
    /// When it first came in, by our clock; it stays when the trace comes in again.
    pub created_at: Timestamp,
    /// The client's name for what ran. Content.
    pub workflow: String,
    /// What the client groups it under. Content.
    pub group: Option<String>,
    /// The client's notes on it, a JSON object. Content.
    pub metadata: String,
    /// The trace as it came in, as JSON. Content.
    pub body: Vec<u8>,
}

debug_only!(TraceRow: id, created_at);

/// A span of a trace.
#[derive(Clone, PartialEq, Eq)]
pub struct SpanRow {
    /// The client's id, unique in its project.
    pub id: String,
    /// The trace that it is part of.
    pub trace: String,
    /// The span that it is inside.
    pub parent: Option<String>,
    /// When it began, by the client's clock.
    pub started_at: Option<Timestamp>,
    /// When it ended, by the client's clock.
    pub ended_at: Option<Timestamp>,
    /// What it is of, such as `agent`, `function` or `response`.
    pub kind: String,
    /// The response that it is of.
    pub response: Option<ResponseId>,
    /// The first call that was made for that response; found when spans are read, whatever is
    /// written.
    pub call: Option<RequestId>,
    /// The span as it came in, as JSON. Content.
    pub body: Vec<u8>,
}

debug_only!(SpanRow: id, trace, parent, started_at, ended_at, response, call);

const TRACE: &str = "trace";
const SPAN: &str = "trace_span";

impl Store {
    /// Keeps traces and spans in the scope's project; those with known ids are replaced. Spans may
    /// come before their trace, which is then there with nothing in it.
    pub async fn trace_ingest(
        &self,
        scope: &Scope,
        traces: &[TraceRow],
        spans: &[SpanRow],
    ) -> Result<(), StoreError> {
        let sealer = self.sealer(one_project(scope, "a trace")?).await?;
        let now = self.now();
        let named = traces.iter().map(|trace| SealedTrace::of(trace, &sealer));
        let mut named = named.collect::<Result<Vec<_>, _>>()?;
        let unnamed = spans.iter().map(|span| {
            let nothing = TraceRow {
                id: span.trace.clone(),
                created_at: now,
                workflow: String::new(),
                group: None,
                metadata: "{}".into(),
                body: b"{}".to_vec(),
            };
            SealedTrace::of(&nothing, &sealer)
        });
        let mut unnamed = unnamed.collect::<Result<Vec<_>, _>>()?;
        let sealed = spans.iter().map(|span| {
            let id = without_nul(&span.id);
            Ok((span, sealer.seal_column(SPAN, "body", &id, &span.body)?))
        });
        let mut spans = sealed.collect::<Result<Vec<_>, StoreError>>()?;
        // In one order for everybody: two ingests never wait for each other's rows.
        named.sort_by(|one, other| one.id.cmp(&other.id));
        unnamed.sort_by(|one, other| one.id.cmp(&other.id));
        unnamed.dedup_by(|one, other| one.id == other.id);
        spans.sort_by(|(one, _), (other, _)| one.id.cmp(&other.id));

        let mut write = self.write().await?;
        for trace in named {
            put_trace(write.connection(), scope, trace, REPLACE).await?;
        }
        for trace in unnamed {
            put_trace(write.connection(), scope, trace, "NOTHING").await?;
        }
        for (span, body) in spans {
            put_span(write.connection(), scope, span, body).await?;
        }
        write.commit().await
    }

    /// Traces of the scope's project, the newest first; `page.after` is the id of the oldest of the
    /// page before.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when `page.after` names none.
    pub async fn trace_list(
        &self,
        scope: &Scope,
        page: &Page,
    ) -> Result<Paged<TraceRow>, StoreError> {
        let project = one_project(scope, "a trace")?;
        let (time, id) = match &page.after {
            Some(id) => {
                let row = find(&mut *self.read().await?, scope, id).await?;
                (row.number("created_at")?, row.text("id")?)
            }
            None => (i64::MAX, String::new()),
        };
        let rows = sqlx::query(
            "SELECT * FROM trace
             WHERE organization_id = $1 AND project_id = $2
               AND (created_at < $3 OR (created_at = $3 AND id < $4))
             ORDER BY created_at DESC, id DESC LIMIT $5",
        )
        .bind(scope.organization.as_str())
        .bind(project.as_str())
        .bind(time)
        .bind(id)
        .bind(page.fetch())
        .fetch_all(&mut *self.read().await?)
        .await?;
        let sealer = self.sealer(project).await?;
        let traces = rows.iter().map(|row| trace(row, &sealer)).collect::<Result<_, _>>()?;
        Ok(Paged::cut(traces, page))
    }

    /// One trace of the scope's project with its spans, in the order in which they began.
    pub async fn trace_get(
        &self,
        scope: &Scope,
        id: &str,
    ) -> Result<(TraceRow, Vec<SpanRow>), StoreError> {
        let project = one_project(scope, "a trace")?;
        let found = find(&mut *self.read().await?, scope, id).await?;
        // A client may name any response: only calls of its own project are told of.
        let rows = sqlx::query(
            "SELECT trace_span.*,
               (SELECT MIN(call.id) FROM call_origin JOIN call ON call.id = call_origin.call_id
                WHERE call_origin.response_id = trace_span.response_id
                  AND call.project_id = trace_span.project_id) AS call_id
             FROM trace_span WHERE project_id = $1 AND trace_id = $2
             ORDER BY COALESCE(started_at, 0), id",
        )
        .bind(project.as_str())
        .bind(found.text("id")?)
        .fetch_all(&mut *self.read().await?)
        .await?;
        let sealer = self.sealer(project).await?;
        let spans = rows.iter().map(|row| span(row, &sealer)).collect::<Result<_, _>>()?;
        Ok((trace(&found, &sealer)?, spans))
    }
}

struct SealedTrace {
    id: String,
    created_at: Timestamp,
    workflow: Vec<u8>,
    group: Option<Vec<u8>>,
    metadata: Vec<u8>,
    body: Vec<u8>,
}

impl SealedTrace {
    fn of(trace: &TraceRow, sealer: &Sealer) -> Result<Self, StoreError> {
        let id = without_nul(&trace.id);
        let seal = |column, value| sealer.seal_column(TRACE, column, &id, value);
        let group = trace.group.as_deref().map(str::as_bytes);
        Ok(Self {
            created_at: trace.created_at,
            workflow: seal("workflow", trace.workflow.as_bytes())?,
            group: group.map(|group| seal("group_name", group)).transpose()?,
            metadata: seal("metadata", trace.metadata.as_bytes())?,
            body: seal("body", &trace.body)?,
            id,
        })
    }
}

/// What becomes of a trace that comes in again.
const REPLACE: &str = "UPDATE SET workflow = excluded.workflow, group_name = excluded.group_name,
                       metadata = excluded.metadata, body = excluded.body";

async fn put_trace(
    connection: &mut AnyConnection,
    scope: &Scope,
    trace: SealedTrace,
    when_there: &'static str,
) -> Result<(), StoreError> {
    sqlx::query(sqlx::AssertSqlSafe(format!(
        "INSERT INTO trace
         (project_id, id, organization_id, created_at, workflow, group_name, metadata, body)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (project_id, id) DO {when_there}"
    )))
    .bind(one_project(scope, "a trace")?.as_str())
    .bind(trace.id)
    .bind(scope.organization.as_str())
    .bind(trace.created_at.as_micros())
    .bind(trace.workflow)
    .bind(trace.group)
    .bind(trace.metadata)
    .bind(trace.body)
    .execute(connection)
    .await?;
    Ok(())
}

async fn put_span(
    connection: &mut AnyConnection,
    scope: &Scope,
    span: &SpanRow,
    body: Vec<u8>,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO trace_span
         (project_id, id, trace_id, parent_id, started_at, ended_at, kind, response_id, body)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (project_id, id) DO UPDATE SET trace_id = excluded.trace_id,
          parent_id = excluded.parent_id, started_at = excluded.started_at,
          ended_at = excluded.ended_at, kind = excluded.kind, response_id = excluded.response_id,
          body = excluded.body",
    )
    .bind(one_project(scope, "a trace")?.as_str())
    .bind(without_nul(&span.id))
    .bind(without_nul(&span.trace))
    .bind(span.parent.as_deref().map(without_nul))
    .bind(to_micros(span.started_at))
    .bind(to_micros(span.ended_at))
    .bind(without_nul(&span.kind))
    .bind(span.response.as_ref().map(|response| without_nul(response.as_str())))
    .bind(body)
    .execute(connection)
    .await?;
    Ok(())
}

async fn find(
    connection: &mut AnyConnection,
    scope: &Scope,
    id: &str,
) -> Result<AnyRow, StoreError> {
    sqlx::query("SELECT * FROM trace WHERE project_id = $1 AND id = $2 AND organization_id = $3")
        .bind(one_project(scope, "a trace")?.as_str())
        .bind(without_nul(id))
        .bind(scope.organization.as_str())
        .fetch_optional(connection)
        .await?
        .ok_or_else(|| StoreError::not_found("trace", id))
}

fn trace(row: &AnyRow, sealer: &Sealer) -> Result<TraceRow, StoreError> {
    let id = row.text("id")?;
    let group = sealer.content_or_null(row, TRACE, "group_name", &id)?;
    Ok(TraceRow {
        created_at: row.time("created_at")?,
        workflow: sealer.text(row, TRACE, "workflow", &id)?,
        group: group.map(|group| String::from_utf8_lossy(&group).into_owned()),
        metadata: sealer.text(row, TRACE, "metadata", &id)?,
        body: sealer.content(row, TRACE, "body", &id)?,
        id,
    })
}

fn span(row: &AnyRow, sealer: &Sealer) -> Result<SpanRow, StoreError> {
    let id = row.text("id")?;
    Ok(SpanRow {
        trace: row.text("trace_id")?,
        parent: row.text_or_null("parent_id")?,
        started_at: row.time_or_null("started_at")?,
        ended_at: row.time_or_null("ended_at")?,
        kind: row.text("kind")?,
        response: row.text_or_null("response_id")?.map(Into::into),
        call: row.text_or_null("call_id")?.map(Into::into),
        body: sealer.content(row, SPAN, "body", &id)?,
        id,
    })
}
