//! Service tiers: which calls go first when a node has more to do than it can.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How urgent a call is. The names are those of OpenAI's `service_tier`.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum ServiceTier {
    /// Nobody waits for it: batches, and whoever asks for `flex`. Goes last, is shed first.
    Flex,
    /// What every call is unless something else is said.
    #[default]
    Default,
    /// What was promised to somebody. Goes first, is shed last.
    Priority,
}

impl ServiceTier {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 3] = [Self::Priority, Self::Default, Self::Flex];

    /// The name that requests, records and configuration use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::Default => "default",
            Self::Priority => "priority",
        }
    }
}

impl fmt::Display for ServiceTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
