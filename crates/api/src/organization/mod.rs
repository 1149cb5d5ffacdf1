//! `/v1/organization`: administration, in OpenAI's shapes where it has them; what is Kijun's own
//! says so in the OpenAPI document. Every handler takes an [`admin::Admin`] first.

mod admin;
mod admin_api_keys;
mod audit_logs;
mod budgets;
mod calls;
mod data_retention;
mod deleted;
mod deletions;
mod expiry;
mod limits;
pub(crate) mod list;
mod model_permissions;
mod models;
pub(crate) mod nearest;
mod notices;
mod prices;
mod project_api_keys;
mod project_data_retention;
mod projects;
mod providers;
pub mod query;
pub(crate) mod sent;
mod service_accounts;
pub mod service_levels;
mod service_tiers;
mod spend_alerts;
mod spend_limit;
mod traces;
mod usage;
mod webhooks;
pub mod written;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;

/// The routes below `/v1/organization`.
pub fn routes() -> OpenApiRouter<App> {
    keys_and_projects().merge(catalogue()).merge(money()).merge(telling()).merge(records())
}

fn keys_and_projects() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(admin_api_keys::list::list, admin_api_keys::create::create))
        .routes(routes!(admin_api_keys::retrieve::retrieve, admin_api_keys::delete::delete))
        .routes(routes!(projects::list::list, projects::create::create))
        .routes(routes!(projects::retrieve::retrieve, projects::modify::modify))
        .routes(routes!(projects::archive::archive))
        .routes(routes!(project_api_keys::list::list, project_api_keys::create::create))
        .routes(routes!(project_api_keys::retrieve::retrieve, project_api_keys::delete::delete))
        .routes(routes!(project_api_keys::rotate::rotate))
        .routes(routes!(service_accounts::list::list, service_accounts::create::create))
        .routes(routes!(service_accounts::retrieve::retrieve, service_accounts::delete::delete))
        .routes(routes!(service_accounts::create_api_key::create_api_key))
        .routes(routes!(
            model_permissions::retrieve::retrieve,
            model_permissions::modify::modify,
            model_permissions::delete::delete
        ))
        .routes(routes!(data_retention::retrieve::retrieve, data_retention::modify::modify))
        .routes(routes!(
            project_data_retention::retrieve::retrieve,
            project_data_retention::modify::modify
        ))
}

fn catalogue() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(providers::list::list, providers::put::put))
        .routes(routes!(providers::retrieve::retrieve, providers::delete::delete))
        .routes(routes!(providers::check::check))
        .routes(routes!(models::list::list, models::put::put))
        .routes(routes!(models::retrieve::retrieve, models::delete::delete))
        .routes(routes!(limits::list::list, limits::create::create))
        .routes(routes!(limits::change::change, limits::delete::delete))
        .routes(routes!(prices::list::list, prices::create::create))
}

fn money() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(budgets::list::list, budgets::create::create))
        .routes(routes!(
            budgets::retrieve::retrieve,
            budgets::change::change,
            budgets::delete::delete
        ))
        .routes(routes!(
            spend_limit::retrieve::of_organization,
            spend_limit::update::of_organization,
            spend_limit::delete::of_organization
        ))
        .routes(routes!(
            spend_limit::retrieve::of_project,
            spend_limit::update::of_project,
            spend_limit::delete::of_project
        ))
        .routes(routes!(spend_alerts::list::of_organization, spend_alerts::create::of_organization))
        .routes(routes!(
            spend_alerts::retrieve::of_organization,
            spend_alerts::update::of_organization,
            spend_alerts::delete::of_organization
        ))
        .routes(routes!(spend_alerts::list::of_project, spend_alerts::create::of_project))
        .routes(routes!(
            spend_alerts::retrieve::of_project,
            spend_alerts::update::of_project,
            spend_alerts::delete::of_project
        ))
}

fn telling() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(webhooks::list::list, webhooks::create::create))
        .routes(routes!(
            webhooks::retrieve::retrieve,
            webhooks::change::change,
            webhooks::delete::delete
        ))
        .routes(routes!(webhooks::rotate_secret::rotate_secret))
        .routes(routes!(webhooks::test::test))
        .routes(routes!(notices::list::list))
        .routes(routes!(notices::retrieve::retrieve))
        .routes(routes!(notices::retry::retry))
        .routes(routes!(service_levels::list::list))
        .routes(routes!(service_levels::retrieve::retrieve, service_levels::put::put))
        .routes(routes!(service_levels::statement::statement))
        .routes(routes!(service_tiers::retrieve::retrieve, service_tiers::modify::modify))
}

fn records() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(usage::costs::costs))
        .routes(routes!(usage::completions::completions))
        .routes(routes!(usage::embeddings::embeddings))
        .routes(routes!(usage::moderations::moderations))
        .routes(routes!(usage::images::images))
        .routes(routes!(usage::audio_speeches::audio_speeches))
        .routes(routes!(usage::audio_transcriptions::audio_transcriptions))
        .routes(routes!(usage::vector_stores::vector_stores))
        .routes(routes!(usage::code_interpreter_sessions::code_interpreter_sessions))
        .routes(routes!(usage::web_search_calls::web_search_calls))
        .routes(routes!(usage::file_search_calls::file_search_calls))
        .routes(routes!(calls::list::list))
        .routes(routes!(calls::retrieve::retrieve))
        .routes(routes!(deletions::list::list))
        .routes(routes!(audit_logs::list::list))
        .routes(routes!(traces::list::list))
        .routes(routes!(traces::retrieve::retrieve))
}
