//! The HTTP edge: one file per verb, extractors, error bodies, the OpenAPI document.
//!
//! May know: HTTP, and the domain crates below it. Must never do: SQL, decide who may do what, or
//! let a request past `identify`; every rule is in a domain crate, so that no door can walk around
//! it.

pub mod body;
pub mod credential;
pub mod edge;
mod framing;
pub mod health;
mod ids;
pub mod metrics;
pub mod multipart;
pub mod openapi;
pub mod organization;
pub mod peer;
pub mod problem;
mod rate_limits;
pub mod v1;

use std::sync::Arc;

use alerts::Alerts;
use axum::Router;
use batches::Batches;
use files::Files;
use gateway::Gateway;
use identity::Administration;
use kernel::{SharedClock, SharedRng};
use responses::Responses;
use responses::chats::Chats;
use responses::conversations::Conversations;
use responses::traces::Traces;
use store::Store;

pub use edge::Edge;
pub use metrics::MetricsDoor;
pub use peer::{Peer, ProxyHeader, TrustedProxies};

/// What the handlers need.
#[derive(Clone, Debug)]
pub struct App(Arc<Deps>);

/// What the handlers need, by name.
#[derive(Debug)]
pub struct Deps {
    /// The life of calls.
    pub gateway: Arc<Gateway>,
    /// The Responses API.
    pub responses: Responses,
    /// Conversations.
    pub conversations: Conversations,
    /// Chat Completions, and those that were stored.
    pub chats: Chats,
    /// Traces of clients' agents.
    pub traces: Traces,
    /// Files and uploads.
    pub files: Files,
    /// Batches.
    pub batches: Batches,
    /// Keys, projects, limits, the ledger.
    pub store: Store,
    /// Webhooks, and how service tiers are served.
    pub alerts: Alerts,
    /// The rules for making and changing keys and projects.
    pub administration: Administration,
    /// What Prometheus reads; `None`: nothing.
    pub metrics: Option<MetricsDoor>,
    /// The time.
    pub clock: SharedClock,
    /// Randomness.
    pub rng: SharedRng,
    /// Bytes of the largest request body, after decompression.
    pub max_body_bytes: usize,
    /// How long a body may take to arrive.
    pub body_timeout: std::time::Duration,
}

impl App {
    /// Of these parts.
    pub fn new(deps: Deps) -> Self {
        Self(Arc::new(deps))
    }
}

impl std::ops::Deref for App {
    type Target = Deps;
    fn deref(&self) -> &Deps {
        &self.0
    }
}

/// Every route, with the OpenAPI document made from the same lines at `/openapi.json`.
pub fn router(app: App) -> Router {
    let (router, document) = openapi::base()
        .merge(v1::routes())
        .merge(organization::routes())
        .merge(health::routes())
        .merge(metrics::routes())
        .split_for_parts();
    router
        .merge(openapi::served(&document))
        .fallback(problem::no_such_route)
        .method_not_allowed_fallback(problem::no_such_method)
        .with_state(app)
}
