//! The OpenAPI document of what this node serves, made from the handlers themselves.

use axum::Router;
use axum::routing::get;
use http::header;
use serde::Serialize;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use crate::App;

/// OpenAI's error envelope: the shape of every error.
#[derive(Serialize, ToSchema)]
pub struct ErrorEnvelope {
    /// The error.
    pub error: ErrorObject,
}

/// What went wrong.
#[derive(Serialize, ToSchema)]
pub struct ErrorObject {
    /// What, where, and how to mend it.
    pub message: String,
    /// The class of error, such as `invalid_request_error`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The field of the request that is at fault.
    pub param: Option<String>,
    /// A word for programs to branch on.
    pub code: Option<String>,
}

/// The document without its paths, to which each route adds its own.
pub(crate) fn base() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
}

/// The document at `/openapi.json`, serialised once.
pub(crate) fn served(document: &utoipa::openapi::OpenApi) -> Router<App> {
    // The router writes a parameter that may hold slashes `{*name}`; OpenAPI knows only `{name}`.
    let json = document.to_json().unwrap_or_default().replace("/{*", "/{");
    let json = bytes::Bytes::from(json);
    Router::new().route(
        "/openapi.json",
        get(move || async move { ([(header::CONTENT_TYPE, "application/json")], json) }),
    )
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Kijun",
        description = "An OpenAI-compatible endpoint in front of any model, with keys, limits, usage and an administration of its own.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    security(("api_key" = [])),
    components(schemas(ErrorEnvelope)),
    modifiers(&BearerAuth),
)]
struct Document;

struct BearerAuth;

impl Modify for BearerAuth {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "A project's API key below /v1; an admin key below /v1/organization.",
            ))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("api_key", SecurityScheme::Http(scheme));
    }
}
