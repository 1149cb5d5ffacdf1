//! `kijun notices`: what was told by mail and webhook, and what is still to be.

use clap::Subcommand;
use store::{ItemPage, Notice, Recipient};

use super::session::Session;
use super::{Failed, print};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List the notices, the newest first.
    List {
        /// How many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Try a notice again that was given up.
    Retry {
        /// Its id.
        id: String,
    },
}

pub(super) async fn run(verb: Verb, session: Session) -> Result<(), Failed> {
    let (scope, store) = (session.scope(), &session.store);
    match verb {
        Verb::List { limit } => {
            let page = ItemPage { after: None, limit, descending: true };
            let rows: Vec<_> =
                store.notice_list(&scope, &page).await?.data.iter().map(row).collect();
            print::table(["ID", "EVENT", "TO", "WRITTEN", "ATTEMPTS", "STATE"], &rows);
        }
        Verb::Retry { id } => store.notice_requeue(&scope, &id.into()).await?,
    }
    Ok(())
}

fn row(notice: &Notice) -> [String; 6] {
    let to = match &notice.notice.to {
        Recipient::Email(address) => address.clone(),
        Recipient::Webhook(id) => id.to_string(),
    };
    let why = notice.last_error.as_deref().unwrap_or_default();
    let state = match (notice.delivered_at, notice.failed_at) {
        (Some(at), _) => format!("delivered {at}"),
        (None, Some(at)) => format!("given up {at}: {why}"),
        (None, None) => format!("next {} {why}", notice.next_at),
    };
    [
        notice.id.to_string(),
        notice.notice.kind.clone(),
        to,
        notice.created_at.to_string(),
        notice.attempts.to_string(),
        state.trim_end().to_owned(),
    ]
}
