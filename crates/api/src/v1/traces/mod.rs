//! `/v1/traces`

pub(super) mod ingest;
