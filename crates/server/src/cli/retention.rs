//! `kijun retention`: how long content is kept, and the proofs of what was deleted.

use clap::{Subcommand, ValueEnum};
use kernel::{RetentionType, Scope};
use retention::settings::{self, Days, Shown};
use store::{Deletion, Page};

use super::session::Session;
use super::{Failed, print};

/// Deletions of one page.
const PAGE: u32 = 100;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Show how long content is kept.
    Get {
        /// Of this project instead of the organisation.
        #[arg(long, value_name = "PROJECT_ID")]
        project: Option<String>,
    },
    /// Say how long content is kept. What is past its time then is deleted at once.
    Set {
        /// The kind.
        #[arg(value_enum)]
        kind: Kind,
        /// For how many days content is kept; left out: as before.
        #[arg(long, value_name = "DAYS", conflicts_with = "default_days")]
        days: Option<u32>,
        /// For as many days as the organisation keeps it, or 30 for an organisation.
        #[arg(long)]
        default_days: bool,
        /// Of this project instead of the organisation.
        #[arg(long, value_name = "PROJECT_ID")]
        project: Option<String>,
    },
    /// List what was deleted because its time was over, the newest first.
    Deletions {
        /// In this project alone.
        #[arg(long, value_name = "PROJECT_ID")]
        project: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Kind {
    /// A project: as its organisation.
    OrganizationDefault,
    /// A project: content is kept for its days, whatever its organisation has.
    None,
    /// No content is kept anywhere.
    ZeroDataRetention,
    /// Content is kept for its days.
    ModifiedAbuseMonitoring,
    /// No content is kept anywhere.
    EnhancedZeroDataRetention,
    /// Content is kept for its days.
    EnhancedModifiedAbuseMonitoring,
}

pub(super) async fn run(verb: Verb, session: Session) -> Result<(), Failed> {
    let scope_of =
        |project: Option<String>| Scope { project: project.map(Into::into), ..session.scope() };
    let store = &session.store;
    match verb {
        Verb::Get { project } => {
            print::line(&line(settings::get(store, &scope_of(project)).await?));
        }
        Verb::Set { kind, days, default_days, project } => {
            let days = match (days, default_days) {
                (Some(count), _) => Days::Exactly(count),
                (None, true) => Days::Default,
                (None, false) => Days::Same,
            };
            let shown = settings::put(store, &scope_of(project), kind.into(), days).await?;
            print::line(&line(shown));
        }
        Verb::Deletions { project } => {
            let scope = scope_of(project);
            let mut page = Page { limit: PAGE, ..Page::default() };
            let mut rows = Vec::new();
            loop {
                let deletions = store.deletion_list(&scope, &page).await?;
                page.after = deletions.data.last().map(|deletion| deletion.id.clone());
                rows.extend(deletions.data.iter().map(row));
                if !deletions.has_more {
                    break;
                }
            }
            print::table(["ID", "PROJECT", "KIND", "ROWS", "BLOBS", "BEGUN", "VERIFIED"], &rows);
        }
    }
    Ok(())
}

fn line(shown: Shown) -> String {
    let Shown { kind, holds } = shown;
    let kept = if holds.zero {
        "no content is kept".to_owned()
    } else {
        format!("content is kept for {} days", holds.days)
    };
    format!("{}  {kept}", kind.as_str())
}

fn row(deletion: &Deletion) -> [String; 7] {
    let verified = deletion.proven_at.map_or_else(|| "not yet".to_owned(), |at| at.to_string());
    [
        deletion.id.clone(),
        deletion.project.to_string(),
        deletion.kind.as_str().to_owned(),
        deletion.rows.to_string(),
        deletion.blobs.to_string(),
        deletion.started_at.to_string(),
        verified,
    ]
}

impl From<Kind> for RetentionType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::OrganizationDefault => Self::OrganizationDefault,
            Kind::None => Self::None,
            Kind::ZeroDataRetention => Self::ZeroDataRetention,
            Kind::ModifiedAbuseMonitoring => Self::ModifiedAbuseMonitoring,
            Kind::EnhancedZeroDataRetention => Self::EnhancedZeroDataRetention,
            Kind::EnhancedModifiedAbuseMonitoring => Self::EnhancedModifiedAbuseMonitoring,
        }
    }
}
