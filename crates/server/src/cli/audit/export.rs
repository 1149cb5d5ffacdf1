//! The log as lines of JSON: what was signed of it first, then its entries, then its ends.

use audit::{Checkpoint, Head, Link};
use serde::{Deserialize, Serialize};

use super::super::{Failed, print, session};
use crate::checkpoints;
use crate::config::{Config, Environment};

/// How many entries are read at once.
pub(super) const PAGE: u32 = 1_000;

/// A line of an export.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// What was signed.
    Checkpoint(Checkpoint),
    /// An entry.
    Entry(Box<Link>),
    /// The end of a chain, after which it has no more.
    Head(Head),
}

pub(super) async fn run(
    wanted: Vec<String>,
    config: Config,
    environment: Environment,
) -> Result<(), Failed> {
    let folder = config.audit_folder();
    let store = session::store(&config, &environment).await?;
    let all = store.audit_chains().await?;
    if let Some(unknown) = wanted.iter().find(|chain| !all.contains(chain)) {
        let known = all.join(", ");
        return Err(Failed::new(format!("there is no chain `{unknown}`; there are: {known}")));
    }
    let chains = if wanted.is_empty() { all } else { wanted };
    for chain in &chains {
        for line in checkpoints::read(&folder, chain)?.lines() {
            write(&Line::Checkpoint(serde_json::from_str(line)?))?;
        }
        let mut after = 0;
        loop {
            let links = store.audit_read(chain, after, PAGE).await?;
            let Some(last) = links.last() else { break };
            after = last.entry.sequence;
            for link in links {
                write(&Line::Entry(Box::new(link)))?;
            }
        }
        // What came meanwhile is left out; the end that is written is that of what was written.
        let heads = store.audit_heads().await?;
        if let Some(head) = heads.into_iter().find(|head| head.chain == *chain) {
            write(&Line::Head(head))?;
        }
    }
    Ok(())
}

fn write(line: &Line) -> Result<(), Failed> {
    print::line(&serde_json::to_string(line)?);
    Ok(())
}
