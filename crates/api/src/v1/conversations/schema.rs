//! What requests about conversations look like, for the OpenAPI document.

#![expect(dead_code, reason = "these types describe; the bodies are read by responses")]

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

/// A conversation to be made.
#[derive(ToSchema)]
pub(crate) struct ConversationRequest {
    /// Its first items, up to 20: messages, tool calls and their results, reasoning.
    items: Option<Vec<Value>>,
    /// Up to 16 pairs of your own.
    metadata: Option<BTreeMap<String, String>>,
}

/// Items to be added to a conversation.
#[derive(ToSchema)]
pub(crate) struct ItemsRequest {
    /// Up to 20: messages, tool calls and their results, reasoning.
    items: Vec<Value>,
}

/// Metadata that takes the place of what was there.
#[derive(ToSchema)]
pub(crate) struct MetadataRequest {
    /// Up to 16 pairs of your own.
    metadata: BTreeMap<String, String>,
}
