//! `kijun keys`: API keys of projects.

use std::time::Duration;

use clap::Subcommand;
use identity::{KeyToMake, MadeKey, Rotation};
use kernel::Timestamp;
use secrecy::ExposeSecret as _;
use store::{ApiKey, Page};

use super::session::Session;
use super::{Failed, duration, print};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Make a key. It is shown once.
    Create {
        /// What people call it.
        name: String,
        /// The project that it calls for.
        #[arg(long, value_name = "PROJECT_ID")]
        project: String,
        /// The service account that it belongs to.
        #[arg(long, value_name = "SERVICE_ACCOUNT_ID")]
        service_account: Option<String>,
        /// For how long it works, e.g. 12h or 90d; left out: until it is revoked.
        #[arg(long, value_name = "TIME", value_parser = duration::parse)]
        expires_in: Option<Duration>,
    },
    /// List a project's keys.
    List {
        /// The project.
        #[arg(long, value_name = "PROJECT_ID")]
        project: String,
        /// Revoked ones too.
        #[arg(long)]
        all: bool,
    },
    /// Give a key a new secret; the old one goes on working for a while.
    Rotate {
        /// The key's id.
        id: String,
        /// For how long the old secret works, e.g. 0s or 7d.
        #[arg(long, value_name = "TIME", default_value = "24h", value_parser = duration::parse)]
        overlap: Duration,
    },
    /// Revoke a key at once, on all nodes.
    Revoke {
        /// The key's id.
        id: String,
    },
}

pub(super) async fn run(verb: Verb, session: Session) -> Result<(), Failed> {
    let (scope, administration) = (session.scope(), &session.administration);
    match verb {
        Verb::Create { name, project, service_account, expires_in } => {
            let new = KeyToMake {
                project: project.into(),
                name,
                service_account: service_account.map(Into::into),
                expires_at: expires_in.map(|after| session.clock.now().plus(after)),
            };
            show_secret(&administration.api_key_create(&scope, new).await?);
        }
        Verb::List { project, all } => {
            let mut page = Page { include_archived: all, ..Page::default() };
            let mut rows = Vec::new();
            loop {
                let keys =
                    administration.api_key_list(&scope, &project.as_str().into(), &page).await?;
                rows.extend(keys.data.iter().map(|key| row(key, session.clock.now())));
                match keys.data.last() {
                    Some(last) if keys.has_more => page.after = Some(last.id.to_string()),
                    _ => break,
                }
            }
            print::table(["ID", "NAME", "SECRET", "STATE", "LAST USED"], &rows);
        }
        Verb::Rotate { id, overlap } => {
            let rotation = Rotation { overlap: Some(overlap), expires_at: None };
            let made = administration.api_key_rotate(&scope, &id.into(), rotation).await?;
            show_secret(&made);
        }
        Verb::Revoke { id } => {
            let key = administration.api_key_revoke(&scope, &id.into()).await?;
            print::line(&format!("{} is revoked", key.id));
        }
    }
    Ok(())
}

fn show_secret(made: &MadeKey) {
    print::line(&format!("{}\n{}", made.key.id, made.secret.expose_secret()));
}

fn row(key: &ApiKey, now: Timestamp) -> [String; 5] {
    let state = print::key_state(key.revoked_at, key.expires_at, now);
    [
        key.id.to_string(),
        key.name.clone(),
        key.redacted.clone(),
        state,
        print::last_used(key.last_used_at),
    ]
}
