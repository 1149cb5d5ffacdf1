//! `kijun organizations`: the tenants of the installation.

use clap::Subcommand;
use secrecy::ExposeSecret as _;

use super::session::Session;
use super::{Failed, print};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Make an organisation with a project. Its first admin key is shown once.
    Create {
        /// What people call it.
        name: String,
    },
    /// List the organisations, the first one first.
    List,
}

pub(super) async fn run(verb: Verb, session: Session) -> Result<(), Failed> {
    match verb {
        Verb::Create { name } => {
            let made = session.administration.organization_create(&name).await?;
            print::line(&format!("{}\n{}", made.organization.id, made.admin_key.expose_secret()));
        }
        Verb::List => {
            let all = session.administration.organization_list().await?;
            let rows: Vec<[String; 2]> = all
                .into_iter()
                .map(|organization| [organization.id.to_string(), organization.name])
                .collect();
            print::table(["ID", "NAME"], &rows);
        }
    }
    Ok(())
}
