//! `/v1/conversations/{conversation_id}/items`

pub(in crate::v1) mod create;
pub(in crate::v1) mod delete;
pub(in crate::v1) mod list;
pub(in crate::v1) mod retrieve;
