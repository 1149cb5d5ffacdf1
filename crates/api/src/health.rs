//! `/healthz` and `/readyz`: for whoever keeps the node running.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;

/// The routes for orchestrators.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz))
}

/// How the node is.
#[derive(Serialize, ToSchema)]
struct Health {
    /// Always `ok`.
    status: &'static str,
}

/// How ready the node is for calls.
#[derive(Serialize, ToSchema)]
struct Readiness {
    /// `ok`, or `stopping`.
    status: &'static str,
    /// `ok`, or `unavailable` when the node last looked, a moment ago: calls are still answered, and settled in the journal.
    database: &'static str,
    /// How many models there are.
    models: usize,
}

/// Whether the process lives. Says nothing of databases and providers, so that their trouble
/// restarts no node.
#[utoipa::path(
    get, path = "/healthz", operation_id = "healthz", tag = "Operation", security(()),
    responses((status = 200, description = "It lives.", body = Health)),
)]
async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Whether calls should be sent here. A node that stops says no; one whose database is away says
/// yes, because it goes on answering from what it knows.
#[utoipa::path(
    get, path = "/readyz", operation_id = "readyz", tag = "Operation", security(()),
    responses(
        (status = 200, description = "Send calls.", body = Readiness),
        (status = 503, description = "Send no calls.", body = Readiness),
    ),
)]
async fn readyz(State(app): State<App>) -> Response {
    let stopping = app.gateway.settler().stopping();
    let database = if app.gateway.database_answers() { "ok" } else { "unavailable" };
    let readiness = Readiness {
        status: if stopping { "stopping" } else { "ok" },
        database,
        models: app.gateway.snapshot().routes.len(),
    };
    let status = if stopping { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, Json(readiness)).into_response()
}
