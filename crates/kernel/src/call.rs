//! The record of a call: what settlement writes, exactly once, for every admitted call.

use serde::{Deserialize, Serialize};

use crate::{
    ApiKeyId, BatchId, Money, Operation, OrganizationId, ProjectId, RequestId, ResponseId,
    ServiceAccountId, ServiceTier, Timestamp, Usage,
};

/// How an admitted call ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The client has the whole answer.
    Completed,
    /// The client hung up first.
    ClientClosed,
    /// The provider refused or failed, and its error was handed on.
    UpstreamError,
    /// The provider broke off in the middle of its answer.
    UpstreamBroken,
    /// A time-out ended it.
    TimedOut,
    /// This node was stopped while the call was under way.
    Stopped,
    /// This node had more to do than it could, and did not begin it.
    Shed,
}

impl Outcome {
    /// The name that the ledger stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::ClientClosed => "client_closed",
            Self::UpstreamError => "upstream_error",
            Self::UpstreamBroken => "upstream_broken",
            Self::TimedOut => "timed_out",
            Self::Stopped => "stopped",
            Self::Shed => "shed",
        }
    }
}

/// One admitted call. It holds no content: no prompt, no answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CallRecord {
    /// The request's id; a record with an id that is already in the ledger changes nothing.
    pub id: RequestId,
    /// When the request arrived.
    pub started_at: Timestamp,
    /// Microseconds from arrival to the end of the answer.
    pub duration_us: u64,
    /// Microseconds from arrival to the first byte of the answer; `None` if there was none.
    pub first_byte_us: Option<u64>,
    /// Whose call it was.
    pub organization: OrganizationId,
    /// In which project.
    pub project: ProjectId,
    /// With which key.
    pub api_key: ApiKeyId,
    /// Whose key, where a service account owns it.
    pub service_account: Option<ServiceAccountId>,
    /// The end user that the client named.
    pub end_user: Option<String>,
    /// The response that the call made, of the Responses API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<ResponseId>,
    /// The batch that the call is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchId>,
    /// What was asked for.
    pub operation: Operation,
    /// The alias that was asked for.
    pub model: String,
    /// The provider that answered last; empty if none was reached.
    pub provider: String,
    /// The model's name there.
    pub upstream_model: String,
    /// Whether the answer came as a stream.
    pub stream: bool,
    /// The HTTP status that the client got.
    pub status: u16,
    /// How it ended.
    pub outcome: Outcome,
    /// Attempts at providers, all targets and retries together.
    pub attempts: u32,
    /// How urgent it was.
    #[serde(default, skip_serializing_if = "is_default")]
    pub service_tier: ServiceTier,
    /// Tokens.
    pub usage: Usage,
    /// What the tokens cost by the price table of that day; `None` where it has no price.
    pub cost: Option<Money>,
}

/// Most calls are of the default tier; their records need not say so.
fn is_default(tier: &ServiceTier) -> bool {
    *tier == ServiceTier::Default
}
