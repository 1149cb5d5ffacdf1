//! `kijun serve`

use std::sync::Arc;
use std::time::Duration;

use api::MetricsDoor;
use gateway::Watch;
use identity::{Administration, Bootstrap};
use kernel::Actor;
use telemetry::{Metrics, Otlp};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::{Failed, print};
use crate::app::{self, Effects};
use crate::config::{Config, Environment};
use crate::data_dir::DataDir;
use crate::listen::Door;
use crate::node::Node;
use crate::{banner, logs, node_name, process};

/// How long the banner waits for providers to list their models.
const DISCOVERY_PATIENCE: Duration = Duration::from_millis(1_500);
/// How long the last bytes get to leave.
const FLUSH_PATIENCE: Duration = Duration::from_secs(2);
/// How long the last records get to reach the database at the end; those that do not are carried
/// at the next start.
const CARRY_PATIENCE: Duration = Duration::from_secs(5);

/// Starts the node and serves until it is asked to stop.
pub(super) async fn run(config: Config, environment: Environment) -> Result<(), Failed> {
    let effects = Effects::of_system();
    let data_dir = DataDir::open(&config.server.data_dir)?;
    let _node = data_dir.lock()?;
    let name = data_dir.node_name(effects.clock.now(), &*effects.rng)?;
    let metrics = Metrics::new(effects.clock.clone());
    let otlp = Otlp::new(config.otlp(&environment, &name)?, &metrics, effects.rng.clone())?;
    logs::start(config.log, otlp.as_ref().and_then(Otlp::log_bridge));
    process::settle(&config.server);
    let door = Door::open(&config.server, effects.clock.clone()).await?;
    let address = door.address();
    let rack = app::rack(&config, &effects);
    let catalog = app::catalog(&config, &environment, address, &rack).await?;
    let store = app::open_store(&config, &environment, &data_dir, &effects).await?;
    let name = match config.has_own_database() {
        true => name,
        false => node_name::claim(&data_dir, &store, &*effects.clock, &*effects.rng).await?,
    };
    let wish = Bootstrap {
        api_key: environment.secret("KIJUN_BOOTSTRAP_API_KEY")?,
        admin_key: environment.secret("KIJUN_BOOTSTRAP_ADMIN_KEY")?,
    };
    let (clock, rng) = (effects.clock.clone(), effects.rng.clone());
    let administration = Administration::new(store.clone(), clock, rng);
    let mut watches: Vec<Arc<dyn Watch>> = vec![metrics.clone()];
    watches.extend(otlp.as_ref().and_then(Otlp::span_watch));
    let beside = app::beside(&config, &store, &effects, &name, watches).await?;
    let journal = data_dir.journal();
    let gateway =
        app::gateway(&config, catalog, rack, store.clone(), &journal, &effects, beside).await?;
    // As late as can be: what fails from here on must not swallow keys that were never shown.
    let keys = administration.by(&Actor::system("bootstrap")).bootstrap(wish).await?;
    print::line(&banner::ready(door.scheme(), address, &keys));
    gateway.refresh().await?;
    let node = Node::new(&config, &environment, &data_dir, &name, gateway.clone(), store, effects)?;
    let keeper = node.keeper().clone();
    metrics.attach(&gateway, Arc::new(node.sources(door.state())));
    let exporting = otlp.map(Otlp::start);
    let mut background = tokio::spawn(node.background());
    let metrics = match config.has_metrics() {
        true => Some(MetricsDoor { metrics, token: config.metrics(&environment)? }),
        false => None,
    };
    let edge = node.edge(&config, administration, metrics);

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
        let open = door.serve(edge, drained).await;
        // What is settled may still be on its way out; what is not is cut off and settled now.
        open.close(FLUSH_PATIENCE).await;
        if !gateway.settled_calls_are_stored(CARRY_PATIENCE).await {
            tracing::warn!(
                "some records did not reach the database; they are in the journal and are carried at the next start"
            );
        }
        gateway.leave().await;
        // A database that is away holds nobody up: the next start signs what is not signed now.
        let _ = tokio::time::timeout(FLUSH_PATIENCE, keeper.keep()).await;
        if let Some(exporting) = exporting {
            exporting.finish(FLUSH_PATIENCE).await;
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
