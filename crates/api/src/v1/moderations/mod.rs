//! `/v1/moderations`

pub(super) mod create;
mod schema;
