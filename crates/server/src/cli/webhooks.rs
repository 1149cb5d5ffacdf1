//! `kijun webhooks`: addresses that events are posted to.

use clap::Subcommand;
use secrecy::ExposeSecret as _;
use store::NewWebhook;

use super::session::Session;
use super::{Failed, print};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Make a webhook; shows its id and, this once, its secret.
    Create {
        /// What people call it.
        name: String,
        /// Where events are posted to.
        url: String,
        /// Only this type of event, e.g. kijun.budget.reached; may be repeated.
        #[arg(long = "event", value_name = "EVENT")]
        events: Vec<String>,
    },
    /// List the webhooks.
    List,
    /// Give a webhook a new secret, shown this once.
    RotateSecret {
        /// Its id.
        id: String,
    },
    /// Post a test event; the running node delivers it.
    Test {
        /// The webhook's id.
        id: String,
    },
    /// Delete a webhook, with all that was still to be posted there.
    Delete {
        /// Its id.
        id: String,
    },
}

pub(super) async fn run(verb: Verb, session: Session) -> Result<(), Failed> {
    let (scope, Session { store, alerts, .. }) = (session.scope(), &session);
    match verb {
        Verb::Create { name, url, events } => {
            let new = NewWebhook { name, url, events, disabled: false };
            let (webhook, secret) = alerts.webhook_create(store, &scope, &new).await?;
            print::line(webhook.id.as_str());
            print::line(secret.expose_secret());
        }
        Verb::List => {
            let webhooks = store.webhook_list(&scope).await?;
            let rows: Vec<[String; 5]> = webhooks
                .into_iter()
                .map(|webhook| {
                    let events = match webhook.events.is_empty() {
                        true => "all".to_owned(),
                        false => webhook.events.join(","),
                    };
                    let state = match webhook.disabled_at {
                        Some(at) => format!("disabled {at}"),
                        None => "works".to_owned(),
                    };
                    [webhook.id.to_string(), webhook.name, webhook.url, events, state]
                })
                .collect();
            print::table(["ID", "NAME", "URL", "EVENTS", "STATE"], &rows);
        }
        Verb::RotateSecret { id } => {
            let (_, secret) = alerts.webhook_rotate(store, &scope, &id.into()).await?;
            print::line(secret.expose_secret());
        }
        Verb::Test { id } => {
            print::line(alerts.webhook_test(&scope, &id.into()).await?.as_str());
        }
        Verb::Delete { id } => store.webhook_delete(&scope, &id.into()).await?,
    }
    Ok(())
}
