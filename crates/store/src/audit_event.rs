//! The audit log: its entries, written with the changes that they tell of, and read again.

use std::sync::Arc;

use audit::{By, Entry, Head, INSTALLATION, Link, SealKey};
use kernel::{Scope, Timestamp};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::change::digest;
use crate::columns::{Columns, places, without_nul};
use crate::database::Engine;
use crate::scope::whole_organization;
use crate::{Paged, Store, StoreError};

/// An entry as it is shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditRow {
    /// The entry in its chain.
    pub link: Link,
    /// What its project is called now.
    pub project_name: Option<String>,
}

/// Which entries are wanted. An empty list wants all.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuditFilter {
    /// Not before this moment.
    pub from: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
    /// Of these events.
    pub events: Vec<String>,
    /// Of one of these projects.
    pub projects: Vec<String>,
    /// By one of these actors.
    pub actors: Vec<String>,
    /// On one of these resources.
    pub resources: Vec<String>,
}

/// Which part of the list, newest first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditPage {
    /// The id of the entry that the page follows.
    pub after: Option<String>,
    /// The id of the entry that the page ends before.
    pub before: Option<String>,
    /// How many entries at most.
    pub limit: u32,
}

impl Store {
    /// The entries that the scope's organisation may see: its own, and those of the installation.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the page's neighbour is none of them.
    pub async fn audit_list(
        &self,
        scope: &Scope,
        filter: &AuditFilter,
        page: &AuditPage,
    ) -> Result<Paged<AuditRow>, StoreError> {
        let chains = [whole_organization(scope, "audit logs")?, INSTALLATION];
        let mut connection = self.read().await?;
        let after = neighbour(&mut connection, &chains, page.after.as_deref()).await?;
        let before = neighbour(&mut connection, &chains, page.before.as_deref()).await?;
        // A page that only ends somewhere is read from its end.
        let backwards = before.is_some() && after.is_none();
        let mut rows = Vec::new();
        for chain in chains {
            let (after, before) = (after.as_ref(), before.as_ref());
            let wanted = Wanted { chain, filter, after, before, backwards, limit: page.limit };
            rows.extend(self.audit_some(&mut connection, &wanted).await?);
        }
        let place = |row: &AuditRow| {
            let Entry { at, sequence, id, .. } = &row.link.entry;
            (*at, *sequence, id.clone())
        };
        match backwards {
            true => rows.sort_by_key(place),
            false => rows.sort_by_key(|row| std::cmp::Reverse(place(row))),
        }
        let mut paged = Paged::cut_at(rows, page.limit);
        if backwards {
            paged.data.reverse();
        }
        Ok(paged)
    }

    async fn audit_some(
        &self,
        connection: &mut AnyConnection,
        wanted: &Wanted<'_>,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let sql = wanted.sql(self.database().engine());
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(wanted.chain);
        query = query.bind(wanted.filter.from.map_or(i64::MIN, Timestamp::as_micros));
        query = query.bind(wanted.filter.until.map_or(i64::MAX, Timestamp::as_micros));
        for (at, sequence, id) in [wanted.after, wanted.before].into_iter().flatten() {
            query = query.bind(at.as_micros()).bind(*sequence).bind(id.as_str());
        }
        let AuditFilter { events, projects, actors, .. } = wanted.filter;
        for word in events.iter().chain(projects).chain(actors) {
            query = query.bind(without_nul(word));
        }
        for resource in &wanted.filter.resources {
            // As it stands in the list of pairs: nothing else there ends so.
            let quoted = serde_json::Value::from(resource.as_str()).to_string();
            query = query.bind(format!(",{quoted}]"));
        }
        let rows = query.bind(i64::from(wanted.limit) + 1).fetch_all(connection).await?;
        let shown = |row: &AnyRow| {
            Ok(AuditRow { link: link(row)?, project_name: row.text_or_null("project_name")? })
        };
        rows.iter().map(shown).collect()
    }

    /// The names of all chains, also of one whose head was taken away.
    pub async fn audit_chains(&self) -> Result<Vec<String>, StoreError> {
        chains(&mut *self.read().await?).await
    }

    /// The ends of all chains.
    pub async fn audit_heads(&self) -> Result<Vec<Head>, StoreError> {
        heads(&mut *self.read().await?).await
    }

    /// Entries of a chain as they stand there, from behind a place on.
    pub async fn audit_read(
        &self,
        chain: &str,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Link>, StoreError> {
        links(&mut *self.read().await?, chain, after, limit).await
    }

    /// The key that entries are sealed with; `None` where there is no entry yet.
    pub async fn audit_seal_key(&self) -> Result<Option<Arc<SealKey>>, StoreError> {
        self.seal_key_there(&mut *self.read().await?).await
    }
}

/// When an entry was written, where in its chain, and its id: its place in a list of several chains.
type Place = (Timestamp, i64, String);

/// One chain's part of a page.
struct Wanted<'a> {
    chain: &'a str,
    filter: &'a AuditFilter,
    after: Option<&'a Place>,
    before: Option<&'a Place>,
    backwards: bool,
    limit: u32,
}

impl Wanted<'_> {
    /// The statement, its places in the order in which they are bound.
    fn sql(&self, engine: Engine) -> String {
        let mut sql = "SELECT e.*, p.name AS project_name
             FROM audit_event e LEFT JOIN project p ON p.id = e.project_id
             WHERE e.chain = $1 AND e.at >= $2 AND e.at < $3"
            .to_owned();
        let mut next = 4;
        for (place, than) in [(self.after, "<"), (self.before, ">")] {
            if place.is_some() {
                sql += &format!(" AND (e.at, e.sequence, e.id) {than} ({})", places(next, 3));
                next += 3;
            }
        }
        let AuditFilter { events, projects, actors, resources, .. } = self.filter;
        for (column, words) in [("event", events), ("project_id", projects), ("actor_id", actors)] {
            if !words.is_empty() {
                sql += &format!(" AND e.{column} IN ({})", places(next, words.len()));
                next += words.len();
            }
        }
        if !resources.is_empty() {
            let position = match engine {
                Engine::Sqlite => "instr",
                Engine::Postgres => "strpos",
            };
            let holds = |place| format!("{position}(e.resources, ${place}) > 0");
            let any: Vec<_> = (next..next + resources.len()).map(holds).collect();
            sql += &format!(" AND ({})", any.join(" OR "));
            next += resources.len();
        }
        let order = if self.backwards { "ASC" } else { "DESC" };
        sql + &format!(" ORDER BY e.at {order}, e.sequence {order} LIMIT ${next}")
    }
}

/// Where the entry stands that a page follows or ends before.
async fn neighbour(
    connection: &mut AnyConnection,
    chains: &[&str],
    id: Option<&str>,
) -> Result<Option<Place>, StoreError> {
    let Some(id) = id else { return Ok(None) };
    let row = sqlx::query("SELECT chain, sequence, at FROM audit_event WHERE id = $1").bind(id);
    let row = row.fetch_optional(connection).await?;
    let visible = match &row {
        Some(row) => chains.contains(&row.text("chain")?.as_str()),
        None => false,
    };
    match row {
        Some(row) if visible => Ok(Some((row.time("at")?, row.number("sequence")?, id.to_owned()))),
        _ => Err(StoreError::not_found("audit log", id)),
    }
}

pub(crate) async fn chains(connection: &mut AnyConnection) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query(
        "SELECT chain FROM audit_head UNION SELECT DISTINCT chain FROM audit_event ORDER BY 1",
    );
    rows.fetch_all(connection).await?.iter().map(|row| row.text("chain")).collect()
}

pub(crate) async fn heads(connection: &mut AnyConnection) -> Result<Vec<Head>, StoreError> {
    let rows = sqlx::query("SELECT * FROM audit_head ORDER BY chain").fetch_all(connection).await?;
    rows.iter().map(head).collect()
}

pub(crate) async fn links(
    connection: &mut AnyConnection,
    chain: &str,
    after: i64,
    limit: u32,
) -> Result<Vec<Link>, StoreError> {
    let rows = sqlx::query(
        "SELECT * FROM audit_event WHERE chain = $1 AND sequence > $2 ORDER BY sequence LIMIT $3",
    )
    .bind(chain)
    .bind(after)
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await?;
    rows.iter().map(link).collect()
}

/// The end of a chain, which no other change may move until this one is over.
pub(crate) async fn lock_head(
    store: &Store,
    connection: &mut AnyConnection,
    chain: &str,
) -> Result<Head, StoreError> {
    sqlx::query(
        "INSERT INTO audit_head (chain, sequence, hash) VALUES ($1, 0, $2)
         ON CONFLICT (chain) DO NOTHING",
    )
    .bind(chain)
    .bind(audit::Digest::ZERO.0.as_slice())
    .execute(&mut *connection)
    .await
    .map_err(StoreError::not_logged)?;
    let sql = match store.database().engine() {
        Engine::Sqlite => "SELECT * FROM audit_head WHERE chain = $1",
        Engine::Postgres => "SELECT * FROM audit_head WHERE chain = $1 FOR UPDATE",
    };
    let row = sqlx::query(sql).bind(chain).fetch_one(connection).await;
    head(&row.map_err(StoreError::not_logged)?)
}

pub(crate) async fn move_head(
    connection: &mut AnyConnection,
    link: &Link,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE audit_head SET sequence = $1, hash = $2 WHERE chain = $3")
        .bind(link.entry.sequence)
        .bind(link.hash.0.as_slice())
        .bind(link.entry.chain.as_str())
        .execute(connection)
        .await
        .map_err(StoreError::not_logged)?;
    Ok(())
}

pub(crate) async fn insert(connection: &mut AnyConnection, link: &Link) -> Result<(), StoreError> {
    let Entry { chain, sequence, id, at, event, actor, project, resources, details } = &link.entry;
    sqlx::query(
        "INSERT INTO audit_event
         (chain, sequence, id, at, event, actor_type, actor_id, actor_organization_id, address,
          user_agent, request_id, project_id, resources, details, previous, hash, seal)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
    )
    .bind(chain.as_str())
    .bind(*sequence)
    .bind(id.as_str())
    .bind(at.as_micros())
    .bind(event.as_str())
    .bind(actor.kind.as_str())
    .bind(actor.id.as_str())
    .bind(actor.organization.as_deref())
    .bind(actor.address.as_deref())
    .bind(actor.user_agent.as_deref())
    .bind(actor.request.as_deref())
    .bind(project.as_deref())
    .bind(resources.as_str())
    .bind(details.as_str())
    .bind(link.previous.0.as_slice())
    .bind(link.hash.0.as_slice())
    .bind(link.seal.0.as_slice())
    .execute(connection)
    .await
    .map_err(StoreError::not_logged)?;
    Ok(())
}

fn head(row: &AnyRow) -> Result<Head, StoreError> {
    Ok(Head {
        chain: row.text("chain")?,
        sequence: row.number("sequence")?,
        hash: digest(row.bytes("hash")?),
    })
}

fn link(row: &AnyRow) -> Result<Link, StoreError> {
    let actor = By {
        kind: row.text("actor_type")?,
        id: row.text("actor_id")?,
        organization: row.text_or_null("actor_organization_id")?,
        address: row.text_or_null("address")?,
        user_agent: row.text_or_null("user_agent")?,
        request: row.text_or_null("request_id")?,
    };
    let entry = Entry {
        chain: row.text("chain")?,
        sequence: row.number("sequence")?,
        id: row.text("id")?,
        at: row.time("at")?,
        event: row.text("event")?,
        actor,
        project: row.text_or_null("project_id")?,
        resources: row.text("resources")?,
        details: row.text("details")?,
    };
    Ok(Link {
        entry,
        previous: digest(row.bytes("previous")?),
        hash: digest(row.bytes("hash")?),
        seal: digest(row.bytes("seal")?),
    })
}
