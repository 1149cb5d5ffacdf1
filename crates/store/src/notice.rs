//! The outbox: what is on its way to somebody, which node is at it, and what became of it.

use std::fmt;

use kernel::{NoticeId, OrganizationId, Scope, Timestamp, WebhookId};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::columns::{Columns, to_micros, unreadable, without_nul};
use crate::database::{Engine, Write};
use crate::event::Event;
use crate::scope::whole_organization;
use crate::{ItemPage, Paged, Store, StoreError};

/// Who is told.
#[derive(Clone, PartialEq, Eq)]
pub enum Recipient {
    /// A person, at this e-mail address.
    Email(String),
    /// A program, at the address of this webhook.
    Webhook(WebhookId),
}

impl Recipient {
    /// By what it goes out.
    pub const fn channel(&self) -> NoticeChannel {
        match self {
            Self::Email(_) => NoticeChannel::Email,
            Self::Webhook(_) => NoticeChannel::Webhook,
        }
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Addresses are personal.
            Self::Email(_) => f.write_str("Email"),
            Self::Webhook(id) => write!(f, "{id}"),
        }
    }
}

/// By what a notice goes out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoticeChannel {
    /// A mail server.
    Email,
    /// An HTTP request.
    Webhook,
}

impl NoticeChannel {
    /// The name that the database and the API use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Webhook => "webhook",
        }
    }
}

/// A notice to be put into the outbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewNotice {
    /// Whose it is.
    pub organization: OrganizationId,
    /// Who is told.
    pub to: Recipient,
    /// The type of the event.
    pub kind: String,
    /// What it is about, in a line.
    pub subject: String,
    /// What is sent: JSON to a program, text to a person.
    pub body: String,
}

/// A notice in the outbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// Its id, the same at every attempt.
    pub id: NoticeId,
    /// Whose it is, who is told, and what.
    pub notice: NewNotice,
    /// When it was put there.
    pub created_at: Timestamp,
    /// How often somebody began to deliver it.
    pub attempts: u32,
    /// When it is tried next, if it is still to be delivered.
    pub next_at: Timestamp,
    /// When it was delivered.
    pub delivered_at: Option<Timestamp>,
    /// When it was given up.
    pub failed_at: Option<Timestamp>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
}

/// What waits to be delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Waiting {
    /// How many notices.
    pub notices: u64,
    /// When the oldest of them was put into the outbox.
    pub oldest: Option<Timestamp>,
}

/// What is due at `$1` by channel `$2`.
const DUE: &str = "delivered_at IS NULL AND failed_at IS NULL AND next_at <= $1 \
    AND (lease_until IS NULL OR lease_until <= $1) AND channel = $2";

/// What became of an attempt to deliver a notice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Attempt {
    /// It was delivered.
    Delivered,
    /// It was not, and is tried again.
    Again {
        /// When.
        at: Timestamp,
        /// Why it was not.
        error: String,
    },
    /// It was not, and is not tried again. It stays in the outbox, where it can be seen.
    GivenUp {
        /// Why it was not.
        error: String,
    },
}

impl Store {
    /// Puts notices into the outbox, all of them or none, and returns their ids.
    pub async fn notice_create(
        &self,
        notices: Vec<NewNotice>,
    ) -> Result<Vec<NoticeId>, StoreError> {
        let mut write = self.write().await?;
        let ids = insert(self, &mut write, notices).await?;
        write.commit().await?;
        Ok(ids)
    }

    /// Leases the notices that are due by a channel, the longest waiting first. Of several nodes
    /// that ask at once, each gets others; what a node that died had, another gets when its lease
    /// is over.
    pub async fn notice_claim(
        &self,
        channel: NoticeChannel,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Notice>, StoreError> {
        let now = self.now();
        // Reading is cheaper than leasing nothing.
        if !self.notice_due(channel, now).await? {
            return Ok(Vec::new());
        }
        let skip = match self.database().engine() {
            Engine::Sqlite => "",
            Engine::Postgres => "FOR UPDATE SKIP LOCKED",
        };
        let mut write = self.write().await?;
        let rows = sqlx::query(AssertSqlSafe(format!(
            "UPDATE notice SET lease_until = $3, attempts = attempts + 1 WHERE id IN (
                 SELECT id FROM notice WHERE {DUE} ORDER BY next_at, id LIMIT $4 {skip}
             ) RETURNING *"
        )))
        .bind(now.as_micros())
        .bind(channel.as_str())
        .bind(until.as_micros())
        .bind(i64::from(limit))
        .fetch_all(write.connection())
        .await?;
        write.commit().await?;
        let mut claimed = Vec::with_capacity(rows.len());
        for row in rows {
            match self.notice(&row) {
                Ok(notice) => claimed.push(notice),
                // Its lease keeps it from being tried all the time.
                Err(error) => tracing::error!(%error, "a notice cannot be read and is left"),
            }
        }
        claimed.sort_by(|one, other| (one.next_at, &one.id).cmp(&(other.next_at, &other.id)));
        Ok(claimed)
    }

    async fn notice_due(&self, channel: NoticeChannel, now: Timestamp) -> Result<bool, StoreError> {
        let sql = format!("SELECT id FROM notice WHERE {DUE} LIMIT 1");
        let due = sqlx::query(AssertSqlSafe(sql))
            .bind(now.as_micros())
            .bind(channel.as_str())
            .fetch_optional(&mut *self.read().await?)
            .await?;
        Ok(due.is_some())
    }

    /// Writes down what became of an attempt. What was delivered stays delivered, whatever a slower
    /// node says later.
    pub async fn notice_settle(&self, id: &NoticeId, attempt: &Attempt) -> Result<(), StoreError> {
        let now = self.now();
        let (delivered_at, failed_at, next_at, error) = match attempt {
            Attempt::Delivered => (Some(now), None, now, None),
            Attempt::Again { at, error } => (None, None, *at, Some(error)),
            Attempt::GivenUp { error } => (None, Some(now), now, Some(error)),
        };
        let mut write = self.write().await?;
        sqlx::query(
            "UPDATE notice SET lease_until = NULL, delivered_at = $1, failed_at = $2,
              next_at = $3, last_error = $4
             WHERE id = $5 AND delivered_at IS NULL",
        )
        .bind(to_micros(delivered_at))
        .bind(to_micros(failed_at))
        .bind(next_at.as_micros())
        .bind(error.map(|error| without_nul(error)))
        .bind(id.as_str())
        .execute(write.connection())
        .await?;
        write.commit().await
    }

    /// The notices of the scope's organisation.
    pub async fn notice_list(
        &self,
        scope: &Scope,
        page: &ItemPage,
    ) -> Result<Paged<Notice>, StoreError> {
        let (after, order) = page.direction();
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT * FROM notice WHERE organization_id = $1 AND ($2 IS NULL OR id {after} $2)
             ORDER BY id {order} LIMIT $3"
        )))
        .bind(whole_organization(scope, "notices")?)
        .bind(page.after.as_deref())
        .bind(page.fetch())
        .fetch_all(&mut *self.read().await?)
        .await?;
        let notices = rows.iter().map(|row| self.notice(row)).collect::<Result<_, _>>()?;
        Ok(Paged::cut_at(notices, page.limit))
    }

    /// One notice of the scope's organisation.
    pub async fn notice_get(&self, scope: &Scope, id: &NoticeId) -> Result<Notice, StoreError> {
        let row = sqlx::query("SELECT * FROM notice WHERE id = $1 AND organization_id = $2")
            .bind(id.as_str())
            .bind(whole_organization(scope, "notices")?)
            .fetch_optional(&mut *self.read().await?)
            .await?
            .ok_or_else(|| StoreError::not_found("notice", id.as_str()))?;
        self.notice(&row)
    }

    /// Tries a notice again that was given up.
    pub async fn notice_requeue(&self, scope: &Scope, id: &NoticeId) -> Result<(), StoreError> {
        let now = self.now().as_micros();
        let mut change = self.change().await?;
        let updated = sqlx::query(
            "UPDATE notice SET failed_at = NULL, next_at = $1
             WHERE id = $2 AND organization_id = $3 AND failed_at IS NOT NULL",
        )
        .bind(now)
        .bind(id.as_str())
        .bind(whole_organization(scope, "notices")?)
        .execute(change.connection())
        .await?;
        if updated.rows_affected() == 0 {
            return Err(StoreError::not_found("failed notice", id.as_str()));
        }
        change.commit(Event::of(scope, "kijun.notice.retried").on("notice", id)).await
    }

    /// What waits to be delivered, by one channel or by any.
    pub async fn notice_waiting(
        &self,
        channel: Option<NoticeChannel>,
    ) -> Result<Waiting, StoreError> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS notices, MIN(created_at) AS oldest FROM notice
             WHERE delivered_at IS NULL AND failed_at IS NULL AND ($1 IS NULL OR channel = $1)",
        )
        .bind(channel.map(NoticeChannel::as_str))
        .fetch_one(&mut *self.read().await?)
        .await?;
        let oldest = row.time_or_null("oldest")?;
        Ok(Waiting { notices: row.count("notices")?, oldest })
    }

    /// Forgets notices that were made before then, whatever became of them.
    pub async fn notice_trim(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut write = self.write().await?;
        let deleted = sqlx::query("DELETE FROM notice WHERE created_at < $1")
            .bind(before.as_micros())
            .execute(write.connection())
            .await?;
        write.commit().await?;
        Ok(deleted.rows_affected())
    }

    fn notice(&self, row: &AnyRow) -> Result<Notice, StoreError> {
        let id = row.text("id")?;
        let to = match (row.text_or_null("webhook_id")?, row.bytes_or_null("recipient")?) {
            (Some(webhook), None) => Recipient::Webhook(webhook.into()),
            (None, Some(sealed)) => {
                let address = self.unseal("notice", "recipient", &id, &sealed)?;
                let address = std::str::from_utf8(&address);
                Recipient::Email(address.map_err(|_| unreadable("recipient", "not UTF-8"))?.into())
            }
            _ => return Err(unreadable("recipient", "it is not clear who that is")),
        };
        Ok(Notice {
            notice: NewNotice {
                organization: row.text("organization_id")?.into(),
                to,
                kind: row.text("kind")?,
                subject: row.text("subject")?,
                body: row.text("body")?,
            },
            created_at: row.time("created_at")?,
            attempts: u32::try_from(row.number("attempts")?)
                .map_err(|_| unreadable("attempts", "it is out of range"))?,
            next_at: row.time("next_at")?,
            delivered_at: row.time_or_null("delivered_at")?,
            failed_at: row.time_or_null("failed_at")?,
            last_error: row.text_or_null("last_error")?,
            id: id.into(),
        })
    }
}

/// Puts notices into the outbox in a transaction that has more to do.
pub(crate) async fn insert(
    store: &Store,
    write: &mut Write<'_>,
    notices: Vec<NewNotice>,
) -> Result<Vec<NoticeId>, StoreError> {
    let now = store.now();
    let mut ids = Vec::with_capacity(notices.len());
    for notice in notices {
        let id = NoticeId::new(now, store.rng());
        let (webhook, recipient) = match &notice.to {
            Recipient::Webhook(webhook) => (Some(webhook.as_str()), None),
            Recipient::Email(address) => {
                let sealed = store.seal("notice", "recipient", id.as_str(), address.as_bytes())?;
                (None, Some(sealed))
            }
        };
        sqlx::query(
            "INSERT INTO notice
             (id, organization_id, channel, webhook_id, recipient, kind, subject, body, created_at,
              attempts, next_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $9)",
        )
        .bind(id.as_str())
        .bind(notice.organization.as_str())
        .bind(notice.to.channel().as_str())
        .bind(webhook)
        .bind(recipient)
        .bind(notice.kind.as_str())
        .bind(without_nul(&notice.subject))
        .bind(without_nul(&notice.body))
        .bind(now.as_micros())
        .execute(write.connection())
        .await?;
        ids.push(id);
    }
    Ok(ids)
}

/// Forgets what waits for a webhook that goes away.
pub(crate) async fn forget_waiting(
    connection: &mut AnyConnection,
    webhook: &WebhookId,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM notice WHERE webhook_id = $1 AND delivered_at IS NULL")
        .bind(webhook.as_str())
        .execute(connection)
        .await?;
    Ok(())
}
