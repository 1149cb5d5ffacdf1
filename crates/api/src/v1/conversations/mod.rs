//! `/v1/conversations`

pub(super) mod create;
pub(super) mod delete;
pub(super) mod items;
pub(super) mod retrieve;
pub(in crate::v1) mod schema;
pub(super) mod update;
