//! `kijun budgets`: how much money may be spent in a day or a month.

use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use kernel::{Enforcement, Money, Period, Zone};
use store::{BudgetAlert, BudgetChange, BudgetRow, BudgetStanding, NewBudget, NotificationChannel};

use super::limits::Scope;
use super::session::Session;
use super::{Failed, print};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Make a budget. What its present period has spent already counts.
    Create(Terms),
    /// List the budgets and how they stand.
    List,
    /// Give a budget another amount. What was spent of it stays spent.
    Change {
        /// Its id.
        id: String,
        /// How much may be spent in a period, in US dollars.
        amount: String,
    },
    /// Delete a budget.
    Delete {
        /// Its id.
        id: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Terms {
    /// Whose spending is counted together.
    #[arg(value_enum)]
    scope: Scope,
    /// The stretch of time that comes again and again.
    #[arg(value_enum)]
    period: Every,
    /// How much may be spent in it, in US dollars: 250 or 0.50.
    amount: String,
    /// Only this one of the scope: an id, an end user, a model; left out: each one, apart.
    #[arg(long)]
    subject: Option<String>,
    /// Only calls of this model.
    #[arg(long)]
    model: Option<String>,
    /// Where days and months begin.
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    time_zone: String,
    /// Tell when it is used up, and let calls go on.
    #[arg(long)]
    soft: bool,
    /// Who is mailed when a part of it is spent: 80=ops@example.com. May be said many times.
    #[arg(long = "alert", value_name = "PERCENT=ADDRESS")]
    alerts: Vec<Alert>,
}

/// Somebody to be mailed when a part of a budget is spent.
#[derive(Debug, Clone)]
struct Alert {
    percent: u32,
    address: String,
}

impl FromStr for Alert {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('=').and_then(|(percent, address)| {
            Some(Self { percent: percent.parse().ok()?, address: address.to_owned() })
        });
        parts.ok_or_else(|| "say a whole percentage and an address: 80=ops@example.com".to_owned())
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Every {
    Day,
    Month,
}

pub(super) async fn run(verb: Verb, session: Session) -> Result<(), Failed> {
    let (scope, store) = (session.scope(), &session.store);
    match verb {
        Verb::Create(terms) => {
            let made = admission::budgets::create(store, &scope, terms.budget()?).await?;
            print::line(made.budget.id.as_str());
        }
        Verb::List => {
            let budgets = store.budget_list(&scope).await?;
            let ids: Vec<_> = budgets.iter().map(|row| row.budget.id.clone()).collect();
            let standings = store.budget_standing(&scope, &ids).await?;
            let mut rows = Vec::new();
            for row in &budgets {
                let accounts: Vec<_> = standings
                    .iter()
                    .filter(|standing| standing.account.budget == row.budget.id)
                    .collect();
                match accounts.is_empty() {
                    true => rows.push(line(row, None)),
                    false => rows.extend(accounts.iter().map(|account| line(row, Some(account)))),
                }
            }
            let heading = ["ID", "SCOPE", "SUBJECT", "MODEL", "PERIOD", "AMOUNT", "SPENT", "KIND"];
            print::table(heading, &rows);
        }
        Verb::Change { id, amount } => {
            let to = BudgetChange { amount: Some(money(&amount)?), ..BudgetChange::default() };
            admission::budgets::change(store, &scope, &id.as_str().into(), to).await?;
        }
        Verb::Delete { id } => {
            admission::budgets::delete(store, &scope, &id.as_str().into()).await?;
        }
    }
    Ok(())
}

impl Terms {
    fn budget(self) -> Result<NewBudget, Failed> {
        Ok(NewBudget {
            scope: self.scope.into(),
            subject: self.subject,
            model: self.model,
            period: match self.period {
                Every::Day => Period::Day,
                Every::Month => Period::Month,
            },
            zone: Zone::named(&self.time_zone)?,
            amount: money(&self.amount)?,
            enforcement: if self.soft { Enforcement::Soft } else { Enforcement::Hard },
            alerts: self.alerts.into_iter().map(BudgetAlert::from).collect(),
        })
    }
}

fn money(amount: &str) -> Result<Money, Failed> {
    let amount = Money::parse_dollars(amount);
    amount.map_err(|wrong| Failed::new(format!("the amount {wrong}")))
}

impl From<Alert> for BudgetAlert {
    fn from(alert: Alert) -> Self {
        let recipients = vec![alert.address];
        let channel = NotificationChannel::Email { recipients, subject_prefix: None };
        Self { percent: alert.percent, channel }
    }
}

fn line(row: &BudgetRow, standing: Option<&BudgetStanding>) -> [String; 8] {
    let budget = &row.budget;
    let account = standing.map(|standing| standing.account.subject.clone());
    let subject = account.filter(|subject| !subject.is_empty()).or_else(|| budget.subject.clone());
    let kind = match budget.enforcement {
        Enforcement::Hard => "hard",
        Enforcement::Soft => "soft",
    };
    [
        budget.id.to_string(),
        budget.scope.to_string(),
        subject.unwrap_or_else(|| "each".to_owned()),
        budget.model.clone().unwrap_or_else(|| "all".to_owned()),
        format!("{} ({})", budget.period, budget.zone.name()),
        budget.amount.to_string(),
        standing.map_or(Money::ZERO, |standing| standing.spent).to_string(),
        kind.to_owned(),
    ]
}
