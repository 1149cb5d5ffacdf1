//! `/v1/organization/projects`

pub(super) mod archive;
pub(super) mod create;
pub(super) mod list;
pub(super) mod modify;
pub(super) mod retrieve;

use serde::Serialize;
use utoipa::ToSchema;

use super::list::Listed;

/// A project: the unit of access, limits and reporting inside an organization.
#[derive(Serialize, ToSchema)]
pub(crate) struct Project {
    /// Its id.
    id: String,
    /// Always `organization.project`.
    object: &'static str,
    /// What people call it.
    name: String,
    /// When it was made, in seconds since the Unix epoch.
    created_at: i64,
    /// When it was archived, if it was.
    #[schema(required)]
    archived_at: Option<i64>,
    /// `active` or `archived`.
    status: &'static str,
}

impl From<store::Project> for Project {
    fn from(project: store::Project) -> Self {
        let status = match project.status() {
            store::ProjectStatus::Active => "active",
            store::ProjectStatus::Archived => "archived",
        };
        Self {
            id: project.id.to_string(),
            object: "organization.project",
            name: project.name,
            created_at: project.created_at.as_secs(),
            archived_at: project.archived_at.map(kernel::Timestamp::as_secs),
            status,
        }
    }
}

impl Listed for Project {
    fn id(&self) -> &str {
        &self.id
    }
}
