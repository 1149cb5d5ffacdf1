//! `/v1`: calls to models, in OpenAI's wire format.

mod batches;
mod call;
mod caller;
mod chat_completions;
mod completions;
mod conversations;
mod embeddings;
mod files;
mod models;
mod moderations;
mod page;
mod responses;
mod sent;
mod traces;
mod uploads;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;

/// The routes below `/v1`.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(chat_completions::create::create, chat_completions::list::list))
        .routes(routes!(
            chat_completions::retrieve::retrieve,
            chat_completions::update::update,
            chat_completions::delete::delete
        ))
        .routes(routes!(chat_completions::messages::messages))
        .routes(routes!(completions::create::create))
        .routes(routes!(embeddings::create::create))
        .routes(routes!(moderations::create::create))
        .routes(routes!(files::list::list, files::create::create))
        .routes(routes!(files::retrieve::retrieve, files::delete::delete))
        .routes(routes!(files::content::content))
        .routes(routes!(uploads::create::create))
        .routes(routes!(uploads::add_part::add_part))
        .routes(routes!(uploads::complete::complete))
        .routes(routes!(uploads::cancel::cancel))
        .routes(routes!(batches::create::create, batches::list::list))
        .routes(routes!(batches::retrieve::retrieve))
        .routes(routes!(batches::cancel::cancel))
        .routes(routes!(models::list::list))
        .routes(routes!(models::retrieve::retrieve))
        .routes(routes!(conversations::create::create))
        .routes(routes!(
            conversations::retrieve::retrieve,
            conversations::update::update,
            conversations::delete::delete
        ))
        .routes(routes!(conversations::items::list::list, conversations::items::create::create))
        .routes(routes!(
            conversations::items::retrieve::retrieve,
            conversations::items::delete::delete
        ))
        .routes(routes!(traces::ingest::ingest))
        .routes(routes!(responses::create::create, responses::socket::connect))
        .routes(routes!(responses::input_tokens::input_tokens))
        .routes(routes!(responses::compact::compact))
        .routes(routes!(responses::retrieve::retrieve, responses::delete::delete))
        .routes(routes!(responses::cancel::cancel))
        .routes(routes!(responses::input_items::input_items))
}
