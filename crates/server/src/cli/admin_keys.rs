//! `kijun admin-keys`: keys that administer the organisation.

use std::time::Duration;

use clap::Subcommand;
use secrecy::ExposeSecret as _;
use store::Page;

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
    List,
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
        Verb::List => {
            let mut page = Page::default();
            let mut rows = Vec::new();
            loop {
                let keys = administration.admin_key_list(&scope, &page).await?;
                rows.extend(keys.data.iter().map(|key| {
                    let state = if key.revoked_at.is_some() { "revoked" } else { "works" };
                    [key.id.to_string(), key.name.clone(), key.redacted.clone(), state.to_owned()]
                }));
                match keys.data.last() {
                    Some(last) if keys.has_more => page.after = Some(last.id.to_string()),
                    _ => break,
                }
            }
            print::table(["ID", "NAME", "SECRET", "STATE"], &rows);
        }
        Verb::Revoke { id } => {
            let key = administration.admin_key_delete(&scope, &id.into()).await?;
            print::line(&format!("{} is revoked", key.id));
        }
    }
    Ok(())
}
