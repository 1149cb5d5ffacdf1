//! `kijun usage`: whether the sums that usage and costs are told from are those of the ledger.

use std::ops::Range;

use clap::{Args, Subcommand};
use kernel::{Period, Timestamp, Zone};

use super::session::Session;
use super::{Failed, print};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Compare every sum with the calls that it is of. Fails where one differs.
    Check(Of),
    /// Sum the calls anew.
    Rebuild(Of),
}

#[derive(Debug, Args)]
pub(super) struct Of {
    /// The month, in UTC [default: the present one].
    #[arg(long, value_name = "YYYY-MM")]
    month: Option<String>,
}

pub(super) async fn run(verb: Verb, session: Session) -> Result<(), Failed> {
    let (scope, store, now) = (session.scope(), &session.store, session.clock.now());
    match verb {
        Verb::Check(of) => {
            let found = store.usage_check(&scope, of.time(now)?).await?;
            let rows: Vec<[String; 3]> = found
                .iter()
                .map(|one| [one.day.to_string(), one.table.to_owned(), one.rows.to_string()])
                .collect();
            if rows.is_empty() {
                print::line("every sum is that of its calls");
                return Ok(());
            }
            print::table(["DAY", "TABLE", "WRONG ROWS"], &rows);
            Err(Failed::new(
                "somebody changed the database by hand; `kijun usage rebuild` sums its calls anew",
            ))
        }
        Verb::Rebuild(of) => {
            let rows = store.usage_rebuild(&scope, of.time(now)?).await?;
            print::line(&format!("{rows} sums were written"));
            Ok(())
        }
    }
}

impl Of {
    fn time(&self, now: Timestamp) -> Result<Range<Timestamp>, Failed> {
        let month = match &self.month {
            Some(month) => Timestamp::in_month(month)?,
            None => now,
        };
        let whole = Period::Month.around(month, &Zone::utc());
        if whole.start > now {
            let month = self.month.as_deref().unwrap_or_default();
            return Err(Failed::new(format!(
                "--month: `{month}` has not begun, so no call is of it"
            )));
        }
        // No call is of tomorrow.
        Ok(whole.start..whole.end.min(now))
    }
}
