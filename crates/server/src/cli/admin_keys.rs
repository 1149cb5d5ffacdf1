//! `kijun admin-keys`: keys that administer the organisation.

use std::time::Duration;

use clap::Subcommand;
use kernel::Timestamp;
use secrecy::ExposeSecret as _;
use store::{AdminKey, Page};

use super::session::Session;
use super::{Failed, duration, print};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Make an admin key. It is shown once.
    Create {
        /// What people call it.
        name: String,
        /// For how long it works, e.g. 90d; left out: until it is revoked.
        #[arg(long, value_name = "TIME", value_parser = duration::parse)]
        expires_in: Option<Duration>,
    },
    /// List the admin keys.
    List {
        /// Revoked ones too.
        #[arg(long)]
        all: bool,
    },
    /// Revoke an admin key at once, on all nodes. The last one cannot be revoked.
    Revoke {
        /// The key's id.
        id: String,
    },
}

pub(super) async fn run(verb: Verb, session: Session) -> Result<(), Failed> {
    let (scope, administration) = (session.scope(), &session.administration);
    match verb {
        Verb::Create { name, expires_in } => {
            let expires_at = expires_in.map(|after| session.clock.now().plus(after));
            let made = administration.admin_key_create(&scope, &name, expires_at).await?;
            print::line(&format!("{}\n{}", made.key.id, made.secret.expose_secret()));
        }
        Verb::List { all } => {
            let mut page = Page { include_archived: all, ..Page::default() };
            let mut rows = Vec::new();
            loop {
                let keys = administration.admin_key_list(&scope, &page).await?;
                rows.extend(keys.data.iter().map(|key| row(key, session.clock.now())));
                match keys.data.last() {
                    Some(last) if keys.has_more => page.after = Some(last.id.to_string()),
                    _ => break,
                }
            }
            print::table(["ID", "NAME", "SECRET", "STATE", "LAST USED"], &rows);
        }
        Verb::Revoke { id } => {
            let key = administration.admin_key_delete(&scope, &id.into()).await?;
            print::line(&format!("{} is revoked", key.id));
        }
    }
    Ok(())
}

fn row(key: &AdminKey, now: Timestamp) -> [String; 5] {
    let state = print::key_state(key.revoked_at, key.expires_at, now);
    [
        key.id.to_string(),
        key.name.clone(),
        key.redacted.clone(),
        state,
        print::last_used(key.last_used_at),
    ]
}
