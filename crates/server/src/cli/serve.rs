//! `kijun serve`

use std::time::Duration;

use api::{App, Deps, Edge};
use identity::{Administration, Bootstrap};
use tokio::signal::unix::{SignalKind, signal};

use super::{Failed, print};
use crate::app::{self, Effects};
use crate::config::{Config, Environment};
use crate::data_dir::DataDir;
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
    let keys = administration.bootstrap(wish).await?;
    let gateway =
        app::gateway(&config, catalog, rack, store.clone(), &data_dir.journal(), &effects).await?;
    let background = {
        let gateway = gateway.clone();
        tokio::spawn(async move { gateway.background().await })
    };
    let edge = Edge::new(App::new(Deps {
        gateway: gateway.clone(),
        store,
        administration,
        clock: effects.clock.clone(),
        rng: effects.rng.clone(),
        max_body_bytes: config.server.max_body_bytes,
        body_timeout: Duration::from_secs(config.server.request_timeout_secs),
    }));

    let asked_to_stop = stop_signal()?;
    let greet = async {
        // Calls are answered meanwhile.
        let _ = tokio::time::timeout(DISCOVERY_PATIENCE, gateway.discover()).await;
        print::line(&banner::text(address, &keys, &gateway));
        std::future::pending::<()>().await;
    };
    let drain = Duration::from_secs(config.server.drain_secs);
    // The door stays open meanwhile, so that new calls hear why they are refused and `/readyz`
    // tells balancers to go elsewhere.
    let drained = async {
        tokio::select! {
            () = asked_to_stop => {}
            () = greet => {}
        }
        let settler = gateway.settler();
        settler.stop();
        tracing::info!(under_way = settler.under_way(), "stopping: running calls finish, new ones are refused");
        if !settler.idle(drain).await {
            tracing::warn!(under_way = settler.under_way(), "some calls did not finish in time and are cut off");
        }
    };
    let head_timeout = Duration::from_secs(config.server.request_timeout_secs);
    let open = listen::serve(listener, edge, head_timeout, drained).await;
    // What is settled may still be on its way out.
    let _ = tokio::time::timeout(FLUSH_PATIENCE, open.shutdown()).await;
    if !gateway.settled_calls_are_stored(CARRY_PATIENCE).await {
        tracing::warn!("some records did not reach the database; they are in the journal and are carried at the next start");
    }
    background.abort();
    Ok(())
}

/// Ends when the process is asked to stop.
fn stop_signal() -> Result<impl Future<Output = ()>, Failed> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
