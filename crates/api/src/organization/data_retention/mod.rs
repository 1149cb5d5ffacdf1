//! `/v1/organization/data_retention`

pub(super) mod modify;
pub(super) mod retrieve;

use retention::settings::{Days, SettingError, Shown};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::problem::Problem;

/// How long an organization's content is kept.
#[derive(Serialize, ToSchema)]
pub(crate) struct DataRetention {
    /// Always `organization.data_retention`.
    object: &'static str,
    /// The kind that is set.
    #[serde(rename = "type")]
    kind: DataRetentionType,
    /// For how many days content is kept where any is. Kijun's own.
    retention_days: u32,
}

impl From<Shown> for DataRetention {
    fn from(shown: Shown) -> Self {
        let (kind, retention_days) = (shown.kind.into(), shown.holds.days);
        Self { object: "organization.data_retention", kind, retention_days }
    }
}

/// What is to be kept from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DataRetentionChange {
    /// The kind. With one of zero data retention no content is kept anywhere, with all others for
    /// its days. `organization_default` and `none` are for projects.
    pub(super) retention_type: DataRetentionType,
    /// For how many days content is kept; what is older is deleted. Left out, they stay as they
    /// are; null is the default again. Kijun's own.
    #[serde(default, deserialize_with = "days")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 3650, example = 30)]
    pub(super) retention_days: Days,
}

/// Called only where the field is there.
fn days<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Days, D::Error> {
    let days = Option::<u32>::deserialize(deserializer)?;
    Ok(days.map_or(Days::Default, Days::Exactly))
}

/// The kernel's words, as the OpenAPI document has them.
macro_rules! words {
    ($($word:ident),+) => {
        /// A kind of data retention.
        #[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub(crate) enum DataRetentionType {
            $($word),+
        }

        impl From<kernel::RetentionType> for DataRetentionType {
            fn from(word: kernel::RetentionType) -> Self {
                match word {
                    $(kernel::RetentionType::$word => Self::$word),+
                }
            }
        }

        impl From<DataRetentionType> for kernel::RetentionType {
            fn from(word: DataRetentionType) -> Self {
                match word {
                    $(DataRetentionType::$word => Self::$word),+
                }
            }
        }
    };
}

words!(
    OrganizationDefault,
    None,
    ZeroDataRetention,
    ModifiedAbuseMonitoring,
    EnhancedZeroDataRetention,
    EnhancedModifiedAbuseMonitoring
);

impl From<SettingError> for Problem {
    fn from(error: SettingError) -> Self {
        match error {
            SettingError::Invalid { field, .. } => Self::invalid(field, error.to_string()),
            SettingError::Store(error) => error.into(),
        }
    }
}
