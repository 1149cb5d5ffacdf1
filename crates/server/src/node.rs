//! A node: everything that answers requests and works beside them, wired together.

use std::sync::Arc;
use std::time::Duration;

use alerts::Alerts;
use api::{App, Deps, Edge, MetricsDoor};
use batches::Batches;
use files::{Blobs, Files};
use gateway::Gateway;
use identity::Administration;
use kernel::Actor;
use responses::Responses;
use responses::chats::Chats;
use responses::conversations::Conversations;
use responses::traces::Traces;
use retention::Sweeper;
use store::Store;

use crate::app::Effects;
use crate::audit_keeper::AuditKeeper;
use crate::checkpoints::Checkpoints;
use crate::cli::Failed;
use crate::config::{Config, Environment};
use crate::data_dir::DataDir;
use crate::listen::DoorState;
use crate::master_keys::{KeySource, KeyWatch};
use crate::node_sources::NodeSources;

/// A node, ready to serve.
pub(crate) struct Node {
    pub(crate) gateway: Arc<Gateway>,
    store: Store,
    files: Files,
    responses: Responses,
    batches: Batches,
    sweeper: Sweeper,
    alerts: Alerts,
    keeper: AuditKeeper,
    keys: KeyWatch,
    effects: Effects,
}

impl Node {
    /// A node around this gateway.
    pub(crate) fn new(
        config: &Config,
        environment: &Environment,
        data_dir: &DataDir,
        name: &str,
        gateway: Arc<Gateway>,
        store: Store,
        effects: Effects,
    ) -> Result<Self, Failed> {
        let (clock, rng) = (effects.clock.clone(), effects.rng.clone());
        let blobs = Blobs::open(config.blobs(environment, data_dir)?)?;
        let sweeper = Sweeper::new(retention::Parts {
            config: config.retention,
            store: store.clone(),
            blobs: blobs.clone(),
            clock: clock.clone(),
            rng: rng.clone(),
        });
        let files = Files::new(config.files(), store.clone(), blobs, clock.clone(), rng.clone());
        let responses = Responses::new(responses::Parts {
            config: config.responses,
            gateway: Arc::clone(&gateway),
            store: store.clone(),
            files: files.clone(),
            clock: clock.clone(),
            rng: rng.clone(),
        });
        let batches = Batches::new(batches::Parts {
            config: config.batches,
            gateway: Arc::clone(&gateway),
            responses: responses.clone(),
            files: files.clone(),
            store: store.clone(),
            clock,
            rng,
        });
        let checkpoints = Checkpoints::open(&config.audit_folder(), &*effects.rng)?;
        let keeper = AuditKeeper::new(store.clone(), checkpoints, effects.clock.clone());
        let alerts = Alerts::new(alerts::Parts {
            config: config.alerts.clone(),
            mail: config.mail(environment)?,
            store: store.by(&Actor::system("alerts")),
            clock: effects.clock.clone(),
            rng: effects.rng.clone(),
        })?;
        let source = KeySource::of(environment, data_dir);
        let keys = KeyWatch::new(source, store.clone(), name.to_owned());
        Ok(Self {
            gateway,
            store,
            files,
            responses,
            batches,
            sweeper,
            alerts,
            keeper,
            keys,
            effects,
        })
    }

    /// What requests come in by.
    pub(crate) fn edge(
        &self,
        config: &Config,
        administration: Administration,
        metrics: Option<MetricsDoor>,
    ) -> Edge {
        let (clock, rng) = (self.effects.clock.clone(), self.effects.rng.clone());
        let store = self.store.clone();
        Edge::new(App::new(Deps {
            gateway: Arc::clone(&self.gateway),
            files: self.files.clone(),
            responses: self.responses.clone(),
            batches: self.batches.clone(),
            conversations: Conversations::new(store.clone(), clock.clone(), rng.clone()),
            chats: Chats::new(store.clone(), rng.clone()),
            traces: Traces::new(store.clone(), clock.clone()),
            store,
            alerts: self.alerts.clone(),
            administration,
            metrics,
            clock,
            rng,
            max_body_bytes: config.server.max_body_bytes,
            body_timeout: Duration::from_secs(config.server.request_timeout_secs),
        }))
    }

    /// Everything that goes on beside requests. Runs for ever; drop it to stop.
    pub(crate) fn background(&self) -> impl Future<Output = ()> + Send + use<> {
        let (gateway, files) = (Arc::clone(&self.gateway), self.files.clone());
        let (responses, batches) = (self.responses.clone(), self.batches.clone());
        let (sweeper, alerts) = (self.sweeper.clone(), self.alerts.clone());
        let (keeper, keys) = (self.keeper.clone(), self.keys.clone());
        async move {
            tokio::join!(
                gateway.background(),
                files.background(),
                responses.background(),
                batches.run(),
                sweeper.run(),
                alerts.run(),
                keeper.run(),
                keys.run()
            );
        }
    }

    /// What signs the audit log.
    pub(crate) const fn keeper(&self) -> &AuditKeeper {
        &self.keeper
    }

    /// What this node knows of itself.
    pub(crate) fn sources(&self, door: DoorState) -> NodeSources {
        NodeSources {
            store: self.store.clone(),
            alerts: self.alerts.clone(),
            keeper: self.keeper.clone(),
            door,
        }
    }

    /// Lets running calls finish, for so long; then ends what still runs in the background.
    pub(crate) async fn drain(&self, patience: Duration) {
        let settler = self.gateway.settler();
        settler.stop();
        tracing::info!(
            under_way = settler.under_way(),
            "stopping: running calls finish, new ones are refused"
        );
        let (idle, ()) = tokio::join!(settler.idle(patience), self.batches.stop(patience));
        if !idle {
            tracing::warn!(
                under_way = settler.under_way(),
                "some calls did not finish in time and are cut off"
            );
        }
        self.responses.stop_background().await;
    }
}
