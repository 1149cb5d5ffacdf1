//! Limits that were made by API or shell.

use kernel::limit::{Limit, LimitMeasure, LimitScope};
use kernel::{LimitId, OrganizationId, Scope};
use serde_json::{Value, json};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::columns::{Columns, checked_name, to_number};
use crate::event::Event;
use crate::scope::whole_organization;
use crate::{Store, StoreError, organization};

/// A limit to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewLimit {
    /// Whose calls are counted together.
    pub scope: LimitScope,
    /// Only this one of that scope; `None`: each one, counted apart.
    pub subject: Option<String>,
    /// Only calls of this model alias; `None`: of all models together.
    pub model: Option<String>,
    /// What is counted.
    pub measure: LimitMeasure,
    /// How many are allowed.
    pub amount: u64,
}

/// A limit and the organisation that it is in force for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwnedLimit {
    /// The organisation.
    pub organization: OrganizationId,
    /// The limit.
    pub limit: Limit,
}

impl Store {
    /// Makes a limit in the scope's organisation.
    pub async fn limit_create(&self, scope: &Scope, new: NewLimit) -> Result<Limit, StoreError> {
        let organization = whole_organization(scope, "limits")?;
        let now = self.now();
        let limit = Limit {
            id: LimitId::new(now, self.rng()),
            scope: new.scope,
            subject: new.subject,
            model: new.model,
            measure: new.measure,
            amount: new.amount,
        };
        check(&limit)?;
        let mut change = self.change().await?;
        organization::find(change.connection(), &scope.organization).await?;
        sqlx::query(
            "INSERT INTO usage_limit
             (id, organization_id, scope, subject, model, measure, amount, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(limit.id.as_str())
        .bind(organization)
        .bind(limit.scope.as_str())
        .bind(limit.subject.as_deref())
        .bind(limit.model.as_deref())
        .bind(limit.measure.as_str())
        .bind(to_number(limit.amount))
        .bind(now.as_micros())
        .execute(change.connection())
        .await?;
        let created = event(scope, "kijun.rate_limit.created", &limit.id);
        change.commit(created.after(shown(&limit))).await?;
        Ok(limit)
    }

    /// The limits of the scope's organisation.
    pub async fn limit_list(&self, scope: &Scope) -> Result<Vec<Limit>, StoreError> {
        let rows = sqlx::query("SELECT * FROM usage_limit WHERE organization_id = $1 ORDER BY id")
            .bind(whole_organization(scope, "limits")?)
            .fetch_all(&mut *self.read().await?)
            .await?;
        rows.iter().map(limit).collect()
    }

    /// The limits of all organisations, for the nodes that enforce them.
    pub async fn limit_list_all(&self) -> Result<Vec<OwnedLimit>, StoreError> {
        let rows = sqlx::query("SELECT * FROM usage_limit ORDER BY id")
            .fetch_all(&mut *self.read().await?)
            .await?;
        let owned = |row: &AnyRow| {
            let organization = row.text("organization_id")?.into();
            Ok(OwnedLimit { organization, limit: limit(row)? })
        };
        rows.iter().map(owned).collect()
    }

    /// Gives a limit another amount.
    pub async fn limit_update(
        &self,
        scope: &Scope,
        id: &LimitId,
        amount: u64,
    ) -> Result<Limit, StoreError> {
        let organization = whole_organization(scope, "limits")?;
        check_amount(amount)?;
        let mut change = self.change().await?;
        let found = find(change.connection(), organization, id).await?;
        sqlx::query("UPDATE usage_limit SET amount = $1 WHERE id = $2")
            .bind(to_number(amount))
            .bind(id.as_str())
            .execute(change.connection())
            .await?;
        // Under the name of what is counted, without which a number says nothing.
        let shown = |amount| json!({ found.measure.as_str(): amount });
        let updated = event(scope, "rate_limit.updated", id).before(shown(found.amount));
        change.commit(updated.after(shown(amount))).await?;
        let limit = Limit { amount, ..found };
        Ok(limit)
    }

    /// Deletes a limit.
    pub async fn limit_delete(&self, scope: &Scope, id: &LimitId) -> Result<(), StoreError> {
        let organization = whole_organization(scope, "limits")?;
        let mut change = self.change().await?;
        let found = find(change.connection(), organization, id).await?;
        sqlx::query("DELETE FROM usage_limit WHERE id = $1")
            .bind(id.as_str())
            .execute(change.connection())
            .await?;
        change.commit(event(scope, "rate_limit.deleted", id).before(shown(&found))).await
    }
}

async fn find(
    connection: &mut AnyConnection,
    organization: &str,
    id: &LimitId,
) -> Result<Limit, StoreError> {
    sqlx::query("SELECT * FROM usage_limit WHERE id = $1 AND organization_id = $2")
        .bind(id.as_str())
        .bind(organization)
        .fetch_optional(connection)
        .await?
        .as_ref()
        .map_or_else(|| Err(StoreError::not_found("limit", id.as_str())), limit)
}

/// Something that happened to a limit.
fn event(scope: &Scope, name: &'static str, id: &LimitId) -> Event {
    Event::of(scope, name).on("rate_limit", id)
}

/// What the audit log shows of a limit.
fn shown(limit: &Limit) -> Value {
    let Limit { id: _, scope, subject, model, measure, amount } = limit;
    json!({
        "scope": scope, "subject": subject, "model": model, "measure": measure, "amount": amount,
    })
}

fn check(limit: &Limit) -> Result<(), StoreError> {
    for (what, name) in [("a limit's subject", &limit.subject), ("a limit's model", &limit.model)] {
        if let Some(name) = name {
            checked_name(what, name)?;
        }
    }
    check_amount(limit.amount)
}

fn check_amount(amount: u64) -> Result<(), StoreError> {
    if amount > i64::MAX as u64 {
        return Err(StoreError::invalid("a limit's amount", "is too large"));
    }
    Ok(())
}

fn limit(row: &AnyRow) -> Result<Limit, StoreError> {
    Ok(Limit {
        id: row.text("id")?.into(),
        scope: row.word("scope")?,
        subject: row.text_or_null("subject")?,
        model: row.text_or_null("model")?,
        measure: row.word("measure")?,
        amount: row.count("amount")?,
    })
}
