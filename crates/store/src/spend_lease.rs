//! Leases: parts of budgets that a process may spend without asking again.
//!
//! What is spent and what is leased of an account is together never more than its budget's amount,
//! but for what calls cost beyond what was thought. A lease holds for as long as its holder is heard
//! of; then others may take it.

use std::collections::BTreeMap;
use std::time::Duration;

use kernel::{BudgetId, Money, Timestamp};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AssertSqlSafe};

use crate::columns::Columns;
use crate::database::Engine;
use crate::many_rows::{in_chunks, insert_statement};
use crate::spend::{self, SpendAccount, Sums, account};
use crate::{Store, StoreError, budget};

/// For how long a holder that is not heard of keeps what it has leased. A process may be paused,
/// and a database away, for as long.
pub const LEASE_LASTS: Duration = Duration::from_secs(600);

/// For how long sums of what was spent are kept after their period began.
const SPEND_KEPT: Duration = Duration::from_secs(400 * 86_400);

/// Who leases: a process, and the node that it is of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeaseHolder {
    /// The process: another one after every start.
    pub name: String,
    /// The node: the same after a restart.
    pub node: String,
}

/// What a holder wants of an account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpendAsk {
    /// The account.
    pub account: SpendAccount,
    /// What its calls need beyond what it has leased: it gets that first, as far as there is any.
    pub owed: Money,
    /// What the next calls need at least: this much or nothing.
    pub least: Money,
    /// What they need at most.
    pub most: Money,
}

/// How an account stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpendStanding {
    /// The account.
    pub account: SpendAccount,
    /// The budget's amount.
    pub amount: Money,
    /// What the records in the ledger have spent.
    pub spent: Money,
    /// What this holder has leased.
    pub leased: Money,
    /// What nobody has spent or leased; less than nothing where too much was spent.
    pub left: Money,
}

/// What came of some asks.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SpendDrawn {
    /// What was granted of each account, and how that stands now. Accounts of budgets that are
    /// gone are not among them.
    pub grants: Vec<(Money, SpendStanding)>,
    /// How many nodes were heard of lately.
    pub nodes: u32,
}

/// How the accounts stand that a holder has leases of.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SpendRenewed {
    /// Each of them.
    pub standings: Vec<SpendStanding>,
    /// How many nodes were heard of lately.
    pub nodes: u32,
}

impl Store {
    /// Leases what is asked for, as far as it is left; a little more where there is much. One
    /// transaction: of several nodes that ask at once, each sees what the others got.
    pub async fn spend_draw(
        &self,
        holder: &LeaseHolder,
        asks: &[SpendAsk],
    ) -> Result<SpendDrawn, StoreError> {
        let engine = self.database().engine();
        let now = self.now();
        let mut write = self.write().await?;
        let connection = write.connection();
        let nodes = hear_of(connection, holder, now).await?;
        let amounts = amounts(connection, engine, asks.iter().map(|ask| &ask.account)).await?;
        let there: Vec<&SpendAsk> =
            asks.iter().filter(|ask| amounts.contains_key(&ask.account.budget)).collect();
        let accounts = there.iter().map(|ask| ask.account.clone());
        let spent = spend::lock(connection, engine, accounts).await?;
        let leased = leased(connection, engine, &holder.name, spent.keys(), now).await?;
        let (mut granted, mut refused) = (Sums::new(), Sums::new());
        let mut drawn = SpendDrawn { nodes, ..SpendDrawn::default() };
        for ask in there {
            let spent = spent.get(&ask.account).copied().unwrap_or(0);
            let amount = amounts.get(&ask.account.budget).copied().unwrap_or_default();
            let Leased { all, own } = leased.get(&ask.account).copied().unwrap_or_default();
            let left = amount.as_nanos().saturating_sub(spent).saturating_sub(all);
            let grant = grant(ask, left, lease_share(left, amount, nodes));
            granted.insert(ask.account.clone(), grant);
            let (owed, least) = (ask.owed.as_nanos(), ask.least.as_nanos());
            // What is more than the whole budget says nothing about what is left of it.
            let may_be_had = (1..=amount.as_nanos()).contains(&least);
            if may_be_had && grant < owed.saturating_add(least) {
                refused.insert(ask.account.clone(), least);
            }
            let standing = SpendStanding {
                account: ask.account.clone(),
                amount,
                spent: Money::from_nanos(spent),
                leased: Money::from_nanos(own + grant),
                left: Money::from_nanos(left - grant),
            };
            drawn.grants.push((Money::from_nanos(grant), standing));
        }
        granted.retain(|_, grant| *grant > 0);
        change(connection, engine, &holder.name, &granted, 1).await?;
        spend::refuse(connection, &refused).await?;
        write.commit().await?;
        Ok(drawn)
    }

    /// Says that the holder is alive, so that it keeps what it has leased.
    pub async fn spend_renew(&self, holder: &LeaseHolder) -> Result<SpendRenewed, StoreError> {
        let now = self.now();
        let mut write = self.write().await?;
        let nodes = hear_of(write.connection(), holder, now).await?;
        let rows = sqlx::query(
            "SELECT own.budget_id, own.subject, own.period_start, own.amount AS own,
                    COALESCE(b.amount, 0) AS amount, COALESCE(s.spent, 0) AS spent,
                    CAST(COALESCE((
                        SELECT SUM(l.amount) FROM spend_lease l
                        JOIN spend_holder h ON h.holder = l.holder AND h.renewed_at > $2
                        WHERE l.budget_id = own.budget_id AND l.subject = own.subject
                          AND l.period_start = own.period_start), 0) AS BIGINT) AS leased
             FROM spend_lease own
             LEFT JOIN budget b ON b.id = own.budget_id
             LEFT JOIN spend s ON s.budget_id = own.budget_id AND s.subject = own.subject
                              AND s.period_start = own.period_start
             WHERE own.holder = $1",
        )
        .bind(holder.name.as_str())
        .bind(alive_since(now).as_micros())
        .fetch_all(write.connection())
        .await?;
        write.commit().await?;
        let standing = |row: &AnyRow| -> Result<SpendStanding, StoreError> {
            let (amount, spent) = (row.number("amount")?, row.number("spent")?);
            let left = amount.saturating_sub(spent).saturating_sub(row.number("leased")?);
            Ok(SpendStanding {
                account: account(row)?,
                amount: Money::from_nanos(amount),
                spent: Money::from_nanos(spent),
                leased: Money::from_nanos(row.number("own")?),
                left: Money::from_nanos(left),
            })
        };
        let standings = rows.iter().map(standing).collect::<Result<_, _>>()?;
        Ok(SpendRenewed { standings, nodes })
    }

    /// Gives back parts of what the holder has leased. What is nothing any more is gone.
    pub async fn spend_give_back(
        &self,
        holder: &LeaseHolder,
        parts: &[(SpendAccount, Money)],
    ) -> Result<(), StoreError> {
        let engine = self.database().engine();
        let mut write = self.write().await?;
        let connection = write.connection();
        let accounts = parts.iter().map(|(account, _)| account);
        let there = amounts(connection, engine, accounts.clone()).await?;
        // The leases of a budget that is gone went with it.
        let accounts = accounts.filter(|account| there.contains_key(&account.budget)).cloned();
        let locked = spend::lock(connection, engine, accounts).await?;
        let leases = of(connection, engine, &holder.name, locked.keys()).await?;
        let mut given = Sums::new();
        for (account, part) in parts {
            if let Some(leased) = leases.get(account) {
                given.insert(account.clone(), part.as_nanos().clamp(0, *leased));
            }
        }
        change(connection, engine, &holder.name, &given, -1).await?;
        sqlx::query("DELETE FROM spend_lease WHERE holder = $1 AND amount <= 0")
            .bind(holder.name.as_str())
            .execute(write.connection())
            .await?;
        write.commit().await
    }

    /// Gives back all that earlier processes of the holder's node had leased: once their journal is
    /// carried, what they spent is in the ledger.
    pub async fn spend_reset(&self, holder: &LeaseHolder) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        for sql in [
            "DELETE FROM spend_lease WHERE holder IN
                 (SELECT holder FROM spend_holder WHERE node = $1 AND holder <> $2)",
            "DELETE FROM spend_holder WHERE node = $1 AND holder <> $2",
        ] {
            sqlx::query(sql)
                .bind(holder.node.as_str())
                .bind(holder.name.as_str())
                .execute(write.connection())
                .await?;
        }
        write.commit().await
    }

    /// When a process of this node was last heard of; `None` where none leases, or all left.
    pub async fn spend_heard_of(&self, node: &str) -> Result<Option<Timestamp>, StoreError> {
        let row = sqlx::query(
            "SELECT renewed_at FROM spend_holder WHERE node = $1 ORDER BY renewed_at DESC LIMIT 1",
        )
        .bind(node)
        .fetch_optional(&mut *self.read().await?)
        .await?;
        row.map(|row| row.time("renewed_at")).transpose()
    }

    /// Gives back everything that the holder has leased, and counts it among the living no more.
    pub async fn spend_leave(&self, holder: &LeaseHolder) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        for sql in [
            "DELETE FROM spend_lease WHERE holder = $1",
            "DELETE FROM spend_holder WHERE holder = $1",
        ] {
            sqlx::query(sql).bind(holder.name.as_str()).execute(write.connection()).await?;
        }
        write.commit().await
    }

    /// Forgets holders that were not heard of for a day, and sums of periods long ago.
    pub async fn spend_trim(&self) -> Result<(), StoreError> {
        let now = self.now();
        let day = Duration::from_secs(86_400);
        let mut write = self.write().await?;
        for (sql, before) in [
            (
                "DELETE FROM spend_lease WHERE holder IN
                     (SELECT holder FROM spend_holder WHERE renewed_at < $1)",
                earlier(now, day),
            ),
            ("DELETE FROM spend_holder WHERE renewed_at < $1", earlier(now, day)),
            ("DELETE FROM spend WHERE period_start < $1", earlier(now, SPEND_KEPT)),
        ] {
            sqlx::query(sql).bind(before.as_micros()).execute(write.connection()).await?;
        }
        write.commit().await
    }
}

/// What a node leases of an account beyond what its calls need: while there is much, enough to go on
/// for long without the database; then less, so that little lies idle near the end.
pub fn lease_share(left: i64, amount: Money, nodes: u32) -> i64 {
    let parts = if left > amount.as_nanos() / 2 { 4 } else { 8 };
    left.max(0) / (parts * i64::from(nodes.max(1)))
}

/// How much an ask gets of what is left.
fn grant(ask: &SpendAsk, left: i64, share: i64) -> i64 {
    let left = left.max(0);
    let owed = ask.owed.as_nanos().clamp(0, left);
    let rest = left - owed;
    if ask.least.as_nanos() > rest {
        return owed;
    }
    owed + ask.most.as_nanos().max(share).clamp(0, rest)
}

/// Since when a holder must have been heard of for its leases to hold.
pub(crate) fn alive_since(now: Timestamp) -> Timestamp {
    earlier(now, LEASE_LASTS)
}

fn earlier(now: Timestamp, by: Duration) -> Timestamp {
    let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(now.as_micros().saturating_sub(micros))
}

/// Writes down that a holder is alive, and says how many nodes are.
async fn hear_of(
    connection: &mut AnyConnection,
    holder: &LeaseHolder,
    now: Timestamp,
) -> Result<u32, StoreError> {
    sqlx::query(
        "INSERT INTO spend_holder (holder, node, renewed_at) VALUES ($1, $2, $3)
         ON CONFLICT (holder) DO UPDATE SET renewed_at = excluded.renewed_at",
    )
    .bind(holder.name.as_str())
    .bind(holder.node.as_str())
    .bind(now.as_micros())
    .execute(&mut *connection)
    .await?;
    let row =
        sqlx::query("SELECT COUNT(DISTINCT node) AS nodes FROM spend_holder WHERE renewed_at > $1")
            .bind(alive_since(now).as_micros())
            .fetch_one(connection)
            .await?;
    Ok(u32::try_from(row.number("nodes")?).unwrap_or(u32::MAX))
}

/// The amounts of the accounts' budgets, of those that are there.
async fn amounts<'a>(
    connection: &mut AnyConnection,
    engine: Engine,
    accounts: impl Iterator<Item = &'a SpendAccount>,
) -> Result<BTreeMap<BudgetId, Money>, StoreError> {
    let mut ids: Vec<&BudgetId> = accounts.map(|account| &account.budget).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut amounts = BTreeMap::new();
    for ids in in_chunks(engine, &ids) {
        amounts.extend(budget::amounts(connection, engine, ids).await?);
    }
    Ok(amounts)
}

/// What is leased of one account.
#[derive(Clone, Copy, Debug, Default)]
struct Leased {
    /// By all holders that are alive.
    all: i64,
    /// Of that, by the one that asks.
    own: i64,
}

/// What is leased of these accounts.
async fn leased<'a>(
    connection: &mut AnyConnection,
    engine: Engine,
    holder: &str,
    accounts: impl Iterator<Item = &'a SpendAccount>,
    now: Timestamp,
) -> Result<BTreeMap<SpendAccount, Leased>, StoreError> {
    let accounts: Vec<_> = accounts.collect();
    let mut leases: BTreeMap<_, Leased> = BTreeMap::new();
    for chunk in in_chunks(engine, &accounts) {
        let sql = format!(
            "SELECT l.* FROM spend_lease l
             JOIN spend_holder h ON h.holder = l.holder AND h.renewed_at > {}
             WHERE (budget_id, subject, period_start) IN (VALUES {})",
            place(engine, 1),
            keys(engine, 2, chunk.len())
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(alive_since(now).as_micros());
        for row in &bind_keys(query, chunk).fetch_all(&mut *connection).await? {
            let (lease, amount) = (leases.entry(account(row)?).or_default(), row.number("amount")?);
            lease.all = lease.all.saturating_add(amount);
            if row.text("holder")? == holder {
                lease.own = amount;
            }
        }
    }
    Ok(leases)
}

/// What a holder has leased of these accounts.
pub(crate) async fn of<'a>(
    connection: &mut AnyConnection,
    engine: Engine,
    holder: &str,
    accounts: impl Iterator<Item = &'a SpendAccount>,
) -> Result<Sums, StoreError> {
    let accounts: Vec<_> = accounts.collect();
    let mut leases = Sums::new();
    for chunk in in_chunks(engine, &accounts) {
        let sql = format!(
            "SELECT * FROM spend_lease WHERE holder = {}
               AND (budget_id, subject, period_start) IN (VALUES {})",
            place(engine, 1),
            keys(engine, 2, chunk.len())
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(holder);
        for row in &bind_keys(query, chunk).fetch_all(&mut *connection).await? {
            leases.insert(account(row)?, row.number("amount")?);
        }
    }
    Ok(leases)
}

/// Makes a holder's leases larger (`sign` 1) or smaller (-1).
pub(crate) async fn change(
    connection: &mut AnyConnection,
    engine: Engine,
    holder: &str,
    by: &Sums,
    sign: i64,
) -> Result<(), StoreError> {
    const COLUMNS: [&str; 5] = ["budget_id", "subject", "period_start", "holder", "amount"];
    let rows: Vec<_> = by.iter().collect();
    for chunk in in_chunks(engine, &rows) {
        let mut sql = insert_statement(engine, "spend_lease", &COLUMNS, chunk.len());
        sql.push_str(
            " ON CONFLICT (budget_id, subject, period_start, holder)
              DO UPDATE SET amount = spend_lease.amount + excluded.amount",
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (account, amount) in chunk {
            query = query
                .bind(account.budget.as_str())
                .bind(account.subject.as_str())
                .bind(account.period_start.as_micros())
                .bind(holder)
                .bind(sign * **amount);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// A placeholder; see [`insert_statement`].
fn place(engine: Engine, number: usize) -> String {
    match engine {
        Engine::Sqlite => "?".to_owned(),
        Engine::Postgres => format!("${number}"),
    }
}

/// The placeholders of the keys of `count` accounts, of which the first is number `first`.
fn keys(engine: Engine, first: usize, count: usize) -> String {
    let key = |row: usize| {
        let place = |column| place(engine, first + row * 3 + column);
        format!("({}, {}, {})", place(0), place(1), place(2))
    };
    (0..count).map(key).collect::<Vec<_>>().join(", ")
}

type Reading<'q> = Query<'q, Any, AnyArguments>;

fn bind_keys<'q>(query: Reading<'q>, accounts: &[&'q SpendAccount]) -> Reading<'q> {
    accounts.iter().fold(query, |query, account| {
        query
            .bind(account.budget.as_str())
            .bind(account.subject.as_str())
            .bind(account.period_start.as_micros())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_owed_comes_first_and_the_rest_is_all_or_nothing() {
        let ask = |owed, least, most| SpendAsk {
            account: SpendAccount {
                budget: "budget_1".into(),
                subject: String::new(),
                period_start: Timestamp::default(),
            },
            owed: Money::from_nanos(owed),
            least: Money::from_nanos(least),
            most: Money::from_nanos(most),
        };
        for (owed, least, most, left, nodes, granted) in [
            // A share of what is left, or more where a call needs more.
            (0, 10, 10, 1_600, 1, 400),
            (0, 10, 10, 800, 1, 100),
            (0, 10, 10, 600, 3, 25),
            (0, 10, 300, 800, 1, 300),
            (0, 10, 900, 800, 1, 800),
            // Near the end, just what is needed.
            (0, 10, 10, 40, 1, 10),
            (0, 10, 10, 10, 3, 10),
            (0, 10, 10, 9, 3, 0),
            // What is owed, even if nothing else can be had.
            (5, 10, 10, 14, 1, 5),
            (5, 10, 10, 15, 1, 15),
            (50, 10, 10, 15, 1, 15),
            (50, 0, 0, 15, 1, 15),
            (0, 1, 1, -20, 1, 0),
            (5, 0, 0, -20, 1, 0),
        ] {
            let share = lease_share(left, Money::from_nanos(1_600), nodes);
            assert_eq!(grant(&ask(owed, least, most), left, share), granted, "{left}");
        }
    }
}
