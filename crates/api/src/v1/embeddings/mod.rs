//! `/v1/embeddings`

pub(super) mod create;
mod schema;
