//! `kijun audit`: the log of administrative changes, and whether it is as it was written.

mod export;
mod verify;

use std::path::PathBuf;

use audit::PublicKey;
use clap::Subcommand;
use kernel::OrganizationId;
use store::{AuditFilter, AuditPage, AuditRow};

use super::session::{self, Session};
use super::{Failed, print};
use crate::checkpoints;
use crate::config::{Config, Environment};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List what was changed in the organisation, the newest first.
    List {
        /// How many entries.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Only these events, e.g. api_key.created; may be repeated.
        #[arg(long = "event", value_name = "EVENT")]
        events: Vec<String>,
        /// Only what these did: an admin key's id or a user's name; may be repeated.
        #[arg(long = "actor", value_name = "ID")]
        actors: Vec<String>,
        /// Only what was done to these; may be repeated.
        #[arg(long = "resource", value_name = "ID")]
        resources: Vec<String>,
    },
    /// Check that nobody altered the log: every entry, and every checkpoint. Nothing must run, and
    /// everything may. Fails when something was altered, and says what.
    Verify(Verify),
    /// Write the whole log as lines of JSON, with all that it takes to verify it elsewhere.
    Export {
        /// Only these chains, organisations' ids or `installation`; may be repeated.
        #[arg(long = "chain", value_name = "CHAIN")]
        chains: Vec<String>,
    },
    /// Print the public key that this node's checkpoints are checked by.
    Key,
}

#[derive(Debug, clap::Args)]
pub(super) struct Verify {
    /// The database, if it is not the configuration's.
    #[arg(long, value_name = "URL", conflicts_with = "file")]
    database: Option<String>,
    /// A folder of checkpoints, if it is not the configuration's; one per node, so it may be repeated.
    #[arg(long = "checkpoints", value_name = "FOLDER")]
    folders: Vec<PathBuf>,
    /// A key that checkpoints may be signed with, if it is not the folder's own; may be repeated.
    #[arg(long = "public-key", value_name = "HEX")]
    keys: Vec<PublicKey>,
    /// What `kijun audit export` wrote, instead of a database.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(super) async fn run(
    verb: Verb,
    config: Config,
    environment: Environment,
    organization: Option<String>,
) -> Result<(), Failed> {
    match verb {
        Verb::List { limit, events, actors, resources } => {
            let session = session::open(config, environment, organization).await?;
            let filter = AuditFilter { events, actors, resources, ..AuditFilter::default() };
            list(&session, &filter, limit).await
        }
        Verb::Verify(asked) => verify::run(asked, config, environment).await,
        Verb::Export { chains } => export::run(chains, config, environment).await,
        Verb::Key => {
            let folder = config.audit_folder();
            let key = checkpoints::load_key(&folder)?.ok_or_else(|| {
                Failed::new(format!(
                    "there is no signing key in {}: start `kijun` once, or say where it is with \
                     --data-dir or --config",
                    folder.display()
                ))
            })?;
            print::line(&key.public().to_string());
            Ok(())
        }
    }
}

async fn list(session: &Session, filter: &AuditFilter, limit: u32) -> Result<(), Failed> {
    let page = AuditPage { after: None, before: None, limit };
    let entries = session.store.audit_list(&session.scope(), filter, &page).await?;
    let rows: Vec<_> = entries.data.iter().map(|row| cells(row, &session.organization)).collect();
    print::table(["TIME", "ENTRY", "EVENT", "BY", "ON", "CHANGE"], &rows);
    Ok(())
}

fn cells(row: &AuditRow, own: &OrganizationId) -> [String; 6] {
    let entry = &row.link.entry;
    let place = match entry.chain == own.as_str() {
        true => entry.sequence.to_string(),
        false => format!("{} {}", entry.chain, entry.sequence),
    };
    let by = format!("{} {}", entry.actor.kind, entry.actor.id);
    let resources: Vec<(String, String)> =
        serde_json::from_str(&entry.resources).unwrap_or_default();
    let on = resources.into_iter().map(|(_, id)| id).collect::<Vec<_>>().join(" ");
    [entry.at.to_string(), place, entry.event.clone(), by, on, entry.details.clone()]
}
