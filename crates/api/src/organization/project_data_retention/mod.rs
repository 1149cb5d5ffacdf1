//! `/v1/organization/projects/{project_id}/data_retention`

pub(super) mod modify;
pub(super) mod retrieve;

use kernel::Scope;
use retention::settings::Shown;
use serde::Serialize;
use utoipa::ToSchema;

use super::admin::Admin;
use super::data_retention::DataRetentionType;

/// How long a project's content is kept.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProjectDataRetention {
    /// Always `project.data_retention`.
    object: &'static str,
    /// The kind that is set.
    #[serde(rename = "type")]
    kind: DataRetentionType,
    /// For how many days content is kept where any is: the project's own, else its organization's.
    /// Kijun's own.
    retention_days: u32,
}

impl From<Shown> for ProjectDataRetention {
    fn from(shown: Shown) -> Self {
        let (kind, retention_days) = (shown.kind.into(), shown.holds.days);
        Self { object: "project.data_retention", kind, retention_days }
    }
}

/// The scope of one project.
fn scope_of(admin: Admin, project: String) -> Scope {
    Scope { project: Some(project.into()), ..admin.scope }
}
