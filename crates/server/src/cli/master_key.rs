//! `kijun master-key`: a new master key in the place of the old one, while nodes run.

use std::time::Duration;

use clap::Subcommand;
use store::{MasterKeyStatus, NodeKeys, Store};
use tokio::time::{Instant, sleep};
use vault::{KeyId, MasterKeys};

use super::{Failed, duration, print, session};
use crate::app::Effects;
use crate::config::{Config, Environment};
use crate::data_dir::DataDir;
use crate::master_keys::KeySource;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Show which master keys are here, which is in use, and what the running nodes have.
    Status,
    /// Make a new master key and put it into the key file, beside the old ones. It is not used yet.
    Rotate,
    /// Seal with the newest key from now on, and wrap everything anew that is sealed with older ones.
    Rewrap {
        /// For how long to wait until every running node has the newest key.
        #[arg(long, value_name = "TIME", default_value = "2m", value_parser = duration::parse)]
        wait: Duration,
    },
    /// Remove the old keys from the key file, once nothing is sealed with them.
    Retire,
}

/// How often is looked whether the nodes have the key.
const LOOK: Duration = Duration::from_secs(1);
/// How often is begun anew, since somebody sealed with the old key meanwhile.
const ROUNDS: u32 = 5;

pub(super) async fn run(
    verb: Verb,
    config: Config,
    environment: Environment,
) -> Result<(), Failed> {
    let store = session::store(&config, &environment).await?;
    let data_dir = DataDir::open(&config.server.data_dir)?;
    let source = KeySource::of(&environment, &data_dir);
    match verb {
        Verb::Status => status(&store, &source).await,
        Verb::Rotate => rotate(&source),
        Verb::Rewrap { wait } => rewrap(&store, wait).await,
        Verb::Retire => retire(&store, &source).await,
    }
}

async fn status(store: &Store, source: &KeySource) -> Result<(), Failed> {
    let status = store.master_key_status().await?;
    let here = source.load()?.ids()?;
    let known = here.iter().chain(status.values.keys().filter(|id| !here.contains(id)));
    let rows: Vec<_> = known.map(|id| row(*id, &here, &status)).collect();
    print::table(["KEY", "HERE", "IN USE", "VALUES"], &rows);
    if status.nodes.is_empty() {
        print::line("No node is running.");
        return Ok(());
    }
    print::line("");
    let rows: Vec<_> = status
        .nodes
        .iter()
        .map(|node| [node.node.clone(), node.has.join(", "), node.sealing.clone()])
        .collect();
    print::table(["NODE", "HAS", "SEALS WITH"], &rows);
    Ok(())
}

fn row(id: KeyId, here: &[KeyId], status: &MasterKeyStatus) -> [String; 4] {
    let is_here = match here.iter().position(|own| *own == id) {
        Some(0) => "newest",
        Some(_) => "yes",
        None => "missing",
    };
    let in_use = if id == status.sealing { "yes" } else { "no" };
    let values = status.values.get(&id).copied().unwrap_or_default();
    [id.to_string(), is_here.to_owned(), in_use.to_owned(), values.to_string()]
}

fn rotate(source: &KeySource) -> Result<(), Failed> {
    let path = source.file()?;
    let rng = Effects::of_system().rng;
    let id = MasterKeys::change(path, &*rng, |keys| keys.rotate(&*rng))?;
    print::line(&format!(
        "{id} is the newest master key in {}\nNothing is sealed with it yet. Copy the file to the \
         other nodes of this database, if there are any, and to where you keep it safe; then run \
         `kijun master-key rewrap`.",
        path.display()
    ));
    Ok(())
}

async fn rewrap(store: &Store, wait: Duration) -> Result<(), Failed> {
    let newest = store.master_key_status().await?.newest;
    let name = newest.to_string();
    let lacks = |node: &NodeKeys| !node.has.contains(&name);
    until(store, wait, "cannot open with the newest key yet", lacks).await.map_err(|nodes| {
        Failed::new(format!(
            "nothing was changed: {nodes} cannot open with master key {name}; put the key there and \
             run this again (a node reads its key file every few seconds; one with KIJUN_MASTER_KEY \
             is started anew)"
        ))
    })?;
    if store.master_key_switch().await? {
        print::line(&format!("{name} is in use now"));
    }
    let behind = |node: &NodeKeys| node.sealing != name;
    until(store, wait, "seals with an older key still", behind).await.map_err(|nodes| {
        Failed::new(format!("{nodes} seals with an older key still; run this again"))
    })?;
    let mut wrapped = 0;
    for _ in 0..ROUNDS {
        store.master_key_rewrap(|some| wrapped += some).await?;
        let status = store.master_key_status().await?;
        let old: u64 = status.values.iter().filter(|(id, _)| **id != newest).map(|(_, n)| n).sum();
        if old == 0 {
            print::line(&format!(
                "{wrapped} values are wrapped anew; nothing is sealed with an older key\nOnce no \
                 backup needs the older keys, run `kijun master-key retire`."
            ));
            return Ok(());
        }
    }
    Err(Failed::new("somebody goes on sealing with an older key; see `kijun master-key status`"))
}

/// Waits until nothing can be said against any running node. Names those of which it can, at the end.
async fn until(
    store: &Store,
    wait: Duration,
    what: &str,
    against: impl Fn(&NodeKeys) -> bool,
) -> Result<(), String> {
    let end = Instant::now() + wait;
    let mut told = false;
    loop {
        let status = store.master_key_status().await.map_err(|error| error.to_string())?;
        let nodes: Vec<_> = status
            .nodes
            .iter()
            .filter(|node| against(node))
            .map(|node| node.node.clone())
            .collect();
        if nodes.is_empty() {
            return Ok(());
        }
        let nodes = nodes.join(", ");
        if Instant::now() >= end {
            return Err(nodes);
        }
        if !told {
            print::line(&format!("waiting: {nodes} {what}"));
            told = true;
        }
        sleep(LOOK).await;
    }
}

async fn retire(store: &Store, source: &KeySource) -> Result<(), Failed> {
    let MasterKeyStatus { newest, sealing, values, nodes } = store.master_key_status().await?;
    if newest != sealing {
        return Err(Failed::new(format!(
            "master key {newest} is not in use yet; run `kijun master-key rewrap` first"
        )));
    }
    if let Some((id, count)) = values.iter().find(|(id, _)| **id != sealing) {
        return Err(Failed::new(format!(
            "{count} values are sealed with master key {id} still; run `kijun master-key rewrap` \
             first"
        )));
    }
    if let Some(node) = nodes.iter().find(|node| node.sealing != sealing.to_string()) {
        return Err(Failed::new(format!(
            "the node {} seals with master key {} still; give it {sealing}, and run `kijun \
             master-key rewrap` again",
            node.node, node.sealing
        )));
    }
    let rng = Effects::of_system().rng;
    let path = match source {
        KeySource::File(path) => path,
        KeySource::Environment(_) => {
            print::line(&format!(
                "{sealing} is all that is needed: every other key can be taken out of \
                 KIJUN_MASTER_KEY_PREVIOUS and of the files that variables name"
            ));
            return Ok(());
        }
    };
    let gone = MasterKeys::change(path, &*rng, |keys| keys.keep_only(sealing))?;
    let gone: Vec<_> = gone.iter().map(KeyId::to_string).collect();
    print::line(&match gone.is_empty() {
        true => format!("{sealing} is the only key in {}", path.display()),
        false => format!(
            "{} went from {}; {sealing} is the only one now. Backups from before the rotation that \
             were made without master keys need the old ones still.",
            gone.join(", "),
            path.display()
        ),
    });
    Ok(())
}
