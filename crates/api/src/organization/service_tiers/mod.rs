//! `/v1/organization/projects/{project_id}/service_tiers`: Kijun's own.

pub(super) mod modify;
pub(super) mod retrieve;

use serde::{Deserialize, Serialize};
use store::ProjectService;
use utoipa::ToSchema;

use super::service_levels::Tier;

/// Which service tiers a project's calls may have.
#[derive(Serialize, ToSchema)]
pub(crate) struct ServiceTiers {
    /// Always `project.service_tiers`.
    object: &'static str,
    /// The tier of a call that asks for none, or for `auto`.
    default_tier: Tier,
    /// The tiers that a call may ask for, the most urgent first.
    tiers: Vec<Tier>,
}

/// Which service tiers a project's calls are to have.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceTiersToSet {
    /// The tier of a call that asks for none, or for `auto`; one of `tiers`.
    default_tier: Tier,
    /// The tiers that a call may ask for.
    tiers: Vec<Tier>,
}

impl From<ProjectService> for ServiceTiers {
    fn from(service: ProjectService) -> Self {
        Self {
            object: "project.service_tiers",
            default_tier: service.default_tier.into(),
            tiers: service.tiers.into_iter().map(Into::into).collect(),
        }
    }
}
