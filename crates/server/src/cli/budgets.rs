//! `kijun budgets`: how much money may be spent in a day or a month.

use clap::{Args, Subcommand, ValueEnum};
use kernel::{Enforcement, Money, Period, Zone};
use store::{BudgetRow, BudgetStanding, NewBudget};

use super::limits::Scope;
use super::session::Session;
use super::{Failed, print};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Make a budget. What its present period has spent already counts.
    Create(Terms),
    /// List the budgets and how they stand.
    List,
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
        Verb::Delete { id } => {
            admission::budgets::delete(store, &scope, &id.as_str().into()).await?;
        }
    }
    Ok(())
}

impl Terms {
    fn budget(self) -> Result<NewBudget, Failed> {
        let amount = Money::parse_dollars(&self.amount);
        Ok(NewBudget {
            scope: self.scope.into(),
            subject: self.subject,
            model: self.model,
            period: match self.period {
                Every::Day => Period::Day,
                Every::Month => Period::Month,
            },
            zone: Zone::named(&self.time_zone)?,
            amount: amount.map_err(|wrong| Failed::new(format!("the amount {wrong}")))?,
            enforcement: if self.soft { Enforcement::Soft } else { Enforcement::Hard },
            alerts: Vec::new(),
        })
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
