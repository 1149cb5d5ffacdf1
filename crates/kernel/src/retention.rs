//! How long content is kept: what an organisation and a project have set, and what follows.
//!
//! The types are those of OpenAI's data retention controls; how many days content is kept is our
//! addition to them.

use serde::{Deserialize, Serialize};

/// Days that content is kept where nothing else was set, as at OpenAI.
pub const DEFAULT_RETENTION_DAYS: u32 = 30;

/// A kind of data retention, by OpenAI's name for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetentionType {
    /// A project's: as its organisation has it.
    OrganizationDefault,
    /// A project's: content is kept for its days, whatever its organisation has set.
    None,
    /// No content is kept anywhere.
    ZeroDataRetention,
    /// Content is kept for its days.
    ModifiedAbuseMonitoring,
    /// No content is kept anywhere.
    EnhancedZeroDataRetention,
    /// Content is kept for its days.
    EnhancedModifiedAbuseMonitoring,
}

impl RetentionType {
    /// The name that the database and the API use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OrganizationDefault => "organization_default",
            Self::None => "none",
            Self::ZeroDataRetention => "zero_data_retention",
            Self::ModifiedAbuseMonitoring => "modified_abuse_monitoring",
            Self::EnhancedZeroDataRetention => "enhanced_zero_data_retention",
            Self::EnhancedModifiedAbuseMonitoring => "enhanced_modified_abuse_monitoring",
        }
    }
}

/// What was set for an organisation or a project.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RetentionSetting {
    /// The kind.
    pub kind: RetentionType,
    /// For how many days content is kept; `None`: not set here.
    pub days: Option<u32>,
}

/// What holds for a project.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retention {
    /// Whether no content may be kept at all.
    pub zero: bool,
    /// For how many days content is kept.
    pub days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { zero: false, days: DEFAULT_RETENTION_DAYS }
    }
}

impl Retention {
    /// What follows from both settings. A project's own setting goes before its organisation's;
    /// days that it does not set are the organisation's.
    pub fn of(organization: Option<RetentionSetting>, project: Option<RetentionSetting>) -> Self {
        let own = project.filter(|own| own.kind != RetentionType::OrganizationDefault);
        let kind = own.or(organization).map(|setting| setting.kind);
        let days = project.and_then(|own| own.days).or(organization.and_then(|all| all.days));
        Self {
            zero: matches!(
                kind,
                Some(RetentionType::ZeroDataRetention | RetentionType::EnhancedZeroDataRetention)
            ),
            days: days.unwrap_or(DEFAULT_RETENTION_DAYS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn set(kind: RetentionType, days: Option<u32>) -> Option<RetentionSetting> {
        Some(RetentionSetting { kind, days })
    }

    #[test]
    fn a_project_goes_before_its_organization() {
        use RetentionType::{ModifiedAbuseMonitoring, OrganizationDefault, ZeroDataRetention};
        let zero = set(ZeroDataRetention, None);
        assert_eq!(Retention::of(None, None), Retention { zero: false, days: 30 });
        assert!(Retention::of(zero, None).zero);
        assert!(Retention::of(zero, set(OrganizationDefault, Some(7))).zero);
        assert!(!Retention::of(zero, set(RetentionType::None, None)).zero);
        assert!(Retention::of(set(ModifiedAbuseMonitoring, Some(90)), zero).zero);
        let all = set(ModifiedAbuseMonitoring, Some(90));
        assert_eq!(Retention::of(all, set(OrganizationDefault, None)).days, 90);
        assert_eq!(Retention::of(all, set(OrganizationDefault, Some(7))).days, 7);
    }
}
