//! The log as lines of JSON: what was signed of it first, then its entries, then its ends.

use std::collections::{BTreeMap, BTreeSet};

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
    // Signed before the log is read, of which it vouches then for a part or for all.
    let mut signed = BTreeMap::new();
    for chain in checkpoints::chains(&folder)? {
        let lines = checkpoints::read(&folder, &chain)?;
        signed.insert(chain, lines);
    }
    // Of one moment, so that each chain's end is that of its entries, whatever is changed meanwhile.
    let mut log = store.audit_snapshot().await?;
    let mut all: BTreeSet<String> = log.chains().await?.into_iter().collect();
    // A chain that is gone is told of by what was signed of it.
    all.extend(signed.keys().cloned());
    if let Some(unknown) = wanted.iter().find(|chain| !all.contains(*chain)) {
        let known = all.into_iter().collect::<Vec<_>>().join(", ");
        return Err(Failed::new(format!("there is no chain `{unknown}`; there are: {known}")));
    }
    for chain in all.iter().filter(|chain| wanted.is_empty() || wanted.contains(chain)) {
        for line in signed.get(chain).map_or("", String::as_str).lines() {
            write(&Line::Checkpoint(serde_json::from_str(line)?))?;
        }
        let mut after = 0;
        loop {
            let links = log.read(chain, after, PAGE).await?;
            let Some(last) = links.last() else { break };
            after = last.entry.sequence;
            for link in links {
                write(&Line::Entry(Box::new(link)))?;
            }
        }
        if let Some(head) = log.head(chain) {
            write(&Line::Head(head.clone()))?;
        }
    }
    Ok(log.close().await?)
}

fn write(line: &Line) -> Result<(), Failed> {
    print::line(&serde_json::to_string(line)?);
    Ok(())
}
