//! `kijun serve`

use std::time::Duration;

use identity::{Administration, Bootstrap};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::{Failed, print};
use crate::app::{self, Effects};
use crate::config::{Config, Environment};
use crate::data_dir::DataDir;
use crate::node::Node;
use crate::{banner, listen, logs};

/// How long the banner waits for providers to list their models.
const DISCOVERY_PATIENCE: Duration = Duration::from_millis(1_500);
/// How long the last bytes get to leave.
const FLUSH_PATIENCE: Duration = Duration::from_secs(2);
/// How long the last records get to reach the database at the end; those that do not are carried
/// at the next start.
const CARRY_PATIENCE: Duration = Duration::from_secs(5);

/// Starts the node and serves until it is asked to stop.
pub(super) async fn run(config: Config, environment: Environment) -> Result<(), Failed> {
    logs::start(config.log);
    let effects = Effects::of_system();
    let listener = listen::bind(config.server.listen).await?;
    let address = listener.local_addr()?;
    let data_dir = DataDir::open(&config.server.data_dir)?;
    let _node = data_dir.lock()?;
    let rack = app::rack(&effects);
    let catalog = app::catalog(&config, &environment, address, &rack).await?;
    let store = app::open_store(&config, &environment, &data_dir, &effects).await?;
    let wish = Bootstrap {
        api_key: environment.secret("KIJUN_BOOTSTRAP_API_KEY")?,
        admin_key: environment.secret("KIJUN_BOOTSTRAP_ADMIN_KEY")?,
    };
    let (clock, rng) = (effects.clock.clone(), effects.rng.clone());
    let administration = Administration::new(store.clone(), clock, rng);
    let gateway =
        app::gateway(&config, catalog, rack, store.clone(), &data_dir.journal(), &effects).await?;
    // As late as can be: what fails from here on must not swallow keys that were never shown.
    let keys = administration.bootstrap(wish).await?;
    print::line(&banner::ready(address, &keys));
    gateway.refresh().await?;
    let node = Node::new(&config, &environment, &data_dir, gateway.clone(), store, effects)?;
    let mut background = tokio::spawn(node.background());
    let edge = node.edge(&config, administration);

    let mut signals = Signals::new()?;
    let mut asked = signals.asked.clone();
    let in_order = async {
        let greet = async {
            // Calls are answered meanwhile.
            let _ = tokio::time::timeout(DISCOVERY_PATIENCE, gateway.discovered()).await;
            print::line(&banner::found(&gateway));
            std::future::pending::<()>().await;
        };
        let drain = Duration::from_secs(config.server.drain_secs);
        // The door stays open meanwhile, so that new calls hear why they are refused and `/readyz`
        // tells balancers to go elsewhere.
        let drained = async {
            tokio::select! {
                () = often(&mut asked, 1) => {}
                () = greet => {}
            }
            node.drain(drain).await;
        };
        let open = listen::serve(listener, edge, &config.server, drained).await;
        // What is settled may still be on its way out; what is not is cut off and settled now.
        open.close(FLUSH_PATIENCE).await;
        if !gateway.settled_calls_are_stored(CARRY_PATIENCE).await {
            tracing::warn!(
                "some records did not reach the database; they are in the journal and are carried at the next start"
            );
        }
    };
    tokio::select! {
        () = in_order => {}
        ended = &mut background => {
            // Without it, revoked keys would go on working and records would pile up.
            return Err(Failed::new(format!("the node's background work ended: {ended:?}")));
        }
        () = often(&mut signals.asked, 2) => {
            tracing::warn!("asked to stop again: running calls are cut off, their records are carried at the next start");
        }
    }
    background.abort();
    Ok(())
}

/// How often the process was asked to stop.
struct Signals {
    asked: watch::Receiver<u32>,
}

impl Signals {
    fn new() -> Result<Self, Failed> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (count, asked) = watch::channel(0);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                count.send_modify(|count| *count += 1);
            }
        });
        Ok(Self { asked })
    }
}

/// Waits until the process was asked to stop so often.
async fn often(asked: &mut watch::Receiver<u32>, times: u32) {
    // It fails when nobody counts any more: then nothing runs any more, either.
    let _ = asked.wait_for(|count| *count >= times).await;
}
