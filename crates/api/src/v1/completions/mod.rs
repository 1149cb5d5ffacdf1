//! `/v1/completions`

pub(super) mod create;
mod schema;
