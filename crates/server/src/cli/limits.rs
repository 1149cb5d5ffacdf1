//! `kijun limits`

use clap::{Subcommand, ValueEnum};
use kernel::limit::{LimitMeasure, LimitScope};
use store::NewLimit;

use super::session::Session;
use super::{Failed, print};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Add a limit.
    Add {
        /// Whose calls are counted together.
        #[arg(value_enum)]
        scope: Scope,
        /// What is counted.
        #[arg(value_enum)]
        measure: Measure,
        /// How many are allowed.
        amount: u64,
        /// Only this one of the scope: an id, an end user, a model; left out: each one, apart.
        #[arg(long)]
        subject: Option<String>,
        /// Only calls of this model.
        #[arg(long)]
        model: Option<String>,
    },
    /// List the limits that are in force.
    List,
    /// Give a limit another amount. What was used of it stays used.
    Change {
        /// Its id.
        id: String,
        /// How many are allowed.
        amount: u64,
    },
    /// Remove a limit.
    Remove {
        /// Its id.
        id: String,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Scope {
    Organization,
    Project,
    Key,
    User,
    Model,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Measure {
    RequestsPerMinute,
    RequestsPerDay,
    TokensPerMinute,
    TokensPerDay,
    ConcurrentCalls,
}

pub(super) async fn run(verb: Verb, session: Session) -> Result<(), Failed> {
    let (scope, Session { store, catalog, .. }) = (session.scope(), &session);
    match verb {
        Verb::Add { scope: whose, measure, amount, subject, model } => {
            let new =
                NewLimit { scope: whose.into(), subject, model, measure: measure.into(), amount };
            print::line(admission::limits::create(store, &scope, new).await?.id.as_str());
        }
        Verb::List => {
            let mut limits = catalog.limits.clone();
            limits.extend(store.limit_list(&scope).await?);
            let all = |text: Option<String>| text.unwrap_or_else(|| "each".to_owned());
            let rows: Vec<[String; 6]> = limits
                .into_iter()
                .map(|limit| {
                    [
                        limit.id.to_string(),
                        limit.scope.to_string(),
                        all(limit.subject),
                        limit.model.unwrap_or_else(|| "all".to_owned()),
                        limit.measure.to_string(),
                        limit.amount.to_string(),
                    ]
                })
                .collect();
            print::table(["ID", "SCOPE", "SUBJECT", "MODEL", "MEASURE", "AMOUNT"], &rows);
        }
        Verb::Change { id, amount } => {
            let id = id.as_str().into();
            admission::limits::change(store, &scope, &id, amount).await?;
        }
        Verb::Remove { id } => {
            admission::limits::delete(store, &scope, &id.as_str().into()).await?;
        }
    }
    Ok(())
}

impl From<Scope> for LimitScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Organization => Self::Organization,
            Scope::Project => Self::Project,
            Scope::Key => Self::Key,
            Scope::User => Self::User,
            Scope::Model => Self::Model,
        }
    }
}

impl From<Measure> for LimitMeasure {
    fn from(measure: Measure) -> Self {
        match measure {
            Measure::RequestsPerMinute => Self::RequestsPerMinute,
            Measure::RequestsPerDay => Self::RequestsPerDay,
            Measure::TokensPerMinute => Self::TokensPerMinute,
            Measure::TokensPerDay => Self::TokensPerDay,
            Measure::ConcurrentCalls => Self::ConcurrentCalls,
        }
    }
}
