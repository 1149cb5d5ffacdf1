//! `/v1`: calls to models, in OpenAI's wire format.

mod call;
mod chat_completions;
mod completions;
mod embeddings;
mod models;
mod moderations;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;

/// The routes below `/v1`.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(chat_completions::create::create))
        .routes(routes!(completions::create::create))
        .routes(routes!(embeddings::create::create))
        .routes(routes!(moderations::create::create))
        .routes(routes!(models::list::list))
        .routes(routes!(models::retrieve::retrieve))
}
