//! What is spent of budgets: summed by account and period, in the transaction that writes the
//! records which spent it. So the sum is always that of the ledger, and a record that comes twice or
//! late counts once, to the period that it began in.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use kernel::{Budget, BudgetId, CallRecord, Money, OrganizationId, Spender, Timestamp};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::StoreError;
use crate::budget::budget;
use crate::columns::Columns;
use crate::database::{Engine, Write};
use crate::ledger::stored_cost;
use crate::many_rows::{in_chunks, insert_statement};

/// What is counted together: the calls of one period that count to a budget under one name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SpendAccount {
    /// The budget.
    pub budget: BudgetId,
    /// The name, as [`Budget::account`] has it.
    pub subject: String,
    /// When the period begins.
    pub period_start: Timestamp,
}

/// What a batch of records has spent of one account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spent {
    /// The account.
    pub account: SpendAccount,
    /// What the records cost.
    pub cost: Money,
    /// By how much the holder's lease became smaller for it.
    pub released: Money,
}

/// The budgets that records count to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Counted(HashMap<OrganizationId, Vec<Budget>>);

/// Sums by account.
pub(crate) type Sums = BTreeMap<SpendAccount, i64>;

/// No sum grows beyond this: what is spent needs no more to be too much, and must fit its column.
const MOST: i64 = i64::MAX / 4;

impl Counted {
    /// As they stand in the database.
    pub(crate) async fn load(connection: &mut AnyConnection) -> Result<Self, StoreError> {
        let rows = sqlx::query("SELECT * FROM budget ORDER BY id").fetch_all(connection).await?;
        let budgets = rows.iter().map(budget).collect::<Result<Vec<_>, _>>()?;
        Ok(Self::new(budgets))
    }

    pub(crate) fn new(budgets: impl IntoIterator<Item = Budget>) -> Self {
        let mut all = Self::default();
        for budget in budgets {
            all.0.entry(budget.organization.clone()).or_default().push(budget);
        }
        all
    }

    /// What these records spend.
    fn sums(&self, records: &[&CallRecord]) -> Sums {
        let mut sums = Sums::new();
        let mut periods: HashMap<&BudgetId, Range<Timestamp>> = HashMap::new();
        for record in records {
            let Some(cost) = record.cost.filter(|cost| *cost > Money::ZERO) else { continue };
            let spender = Spender {
                project: record.project.as_str(),
                key: record.api_key.as_str(),
                end_user: record.end_user.as_deref(),
                model: &record.model,
            };
            for budget in self.0.get(&record.organization).into_iter().flatten() {
                let Some(subject) = budget.account(&spender) else { continue };
                let at = record.started_at;
                // Most records of a batch are of one period.
                let known = periods.get(&budget.id).filter(|period| period.contains(&at));
                let period_start = match known {
                    Some(period) => period.start,
                    None => {
                        let period = budget.period.around(at, &budget.zone);
                        let start = period.start;
                        periods.insert(&budget.id, period);
                        start
                    }
                };
                let subject = subject.into_owned();
                let account = SpendAccount { budget: budget.id.clone(), subject, period_start };
                let sum = sums.entry(account).or_default();
                *sum = sum.saturating_add(stored_cost(cost)).min(MOST);
            }
        }
        sums
    }
}

/// Counts records that are new in the ledger, in the transaction that writes them. What they spent
/// comes off what their holder has leased.
pub(crate) async fn record(
    write: &mut Write<'_>,
    engine: Engine,
    holder: &str,
    counted: &Counted,
    new: &[&CallRecord],
) -> Result<Vec<Spent>, StoreError> {
    if counted.0.is_empty() {
        return Ok(Vec::new());
    }
    let sums = counted.sums(new);
    if sums.is_empty() {
        return Ok(Vec::new());
    }
    // Whoever changes a lease has locked its row of `spend` first.
    add(write.connection(), engine, &sums).await?;
    let released = release(write.connection(), engine, holder, &sums).await?;
    let spent = sums.into_iter().map(|(account, cost)| Spent {
        cost: Money::from_nanos(cost),
        released: Money::from_nanos(released.get(&account).copied().unwrap_or(0)),
        account,
    });
    Ok(spent.collect())
}

/// Adds to what is spent. Rows are written in the order of their keys, so that two who add at once
/// wait for each other and never in a circle.
pub(crate) async fn add(
    connection: &mut AnyConnection,
    engine: Engine,
    sums: &Sums,
) -> Result<(), StoreError> {
    upsert(connection, engine, sums).await.map(drop)
}

/// Locks the rows of these accounts, which are made where there are none, and says what is spent.
pub(crate) async fn lock(
    connection: &mut AnyConnection,
    engine: Engine,
    accounts: impl IntoIterator<Item = SpendAccount>,
) -> Result<Sums, StoreError> {
    let nothing = accounts.into_iter().map(|account| (account, 0)).collect();
    upsert(connection, engine, &nothing).await
}

/// Writes down that so much of these accounts was asked for and is not left.
pub(crate) async fn refuse(
    connection: &mut AnyConnection,
    needed: &Sums,
) -> Result<(), StoreError> {
    for (account, needed) in needed {
        sqlx::query(
            "UPDATE spend SET refused = $1
             WHERE budget_id = $2 AND subject = $3 AND period_start = $4
               AND (refused IS NULL OR refused > $1)",
        )
        .bind(*needed)
        .bind(account.budget.as_str())
        .bind(account.subject.as_str())
        .bind(account.period_start.as_micros())
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

async fn upsert(
    connection: &mut AnyConnection,
    engine: Engine,
    sums: &Sums,
) -> Result<Sums, StoreError> {
    const COLUMNS: [&str; 4] = ["budget_id", "subject", "period_start", "spent"];
    let rows: Vec<_> = sums.iter().collect();
    let mut now = Sums::new();
    for chunk in in_chunks(engine, &rows) {
        let mut sql = insert_statement(engine, "spend", &COLUMNS, chunk.len());
        sql.push_str(&format!(
            " ON CONFLICT (budget_id, subject, period_start) DO UPDATE SET
                 spent = CASE WHEN spend.spent > {MOST} THEN spend.spent
                              ELSE spend.spent + excluded.spent END
              RETURNING *"
        ));
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (account, sum) in chunk {
            query = query
                .bind(account.budget.as_str())
                .bind(account.subject.as_str())
                .bind(account.period_start.as_micros())
                .bind(**sum);
        }
        for row in &query.fetch_all(&mut *connection).await? {
            now.insert(account(row)?, row.number("spent")?);
        }
    }
    Ok(now)
}

/// Takes what was spent off the holder's leases, as far as they go, and says how far they went.
async fn release(
    connection: &mut AnyConnection,
    engine: Engine,
    holder: &str,
    sums: &Sums,
) -> Result<Sums, StoreError> {
    let mut released = Sums::new();
    if holder.is_empty() {
        return Ok(released);
    }
    let leases = crate::spend_lease::of(connection, engine, holder, sums.keys()).await?;
    for (account, leased) in leases {
        let cost = sums.get(&account).copied().unwrap_or(0).min(leased);
        if cost > 0 {
            released.insert(account, cost);
        }
    }
    crate::spend_lease::change(connection, engine, holder, &released, -1).await?;
    Ok(released)
}

pub(crate) fn account(row: &AnyRow) -> Result<SpendAccount, StoreError> {
    Ok(SpendAccount {
        budget: row.text("budget_id")?.into(),
        subject: row.text("subject")?,
        period_start: row.time("period_start")?,
    })
}
