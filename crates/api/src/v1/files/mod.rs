//! `/v1/files`

pub(super) mod content;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod list;
pub(super) mod retrieve;

use files::Owner;
use gateway::Identified;
use kernel::Timestamp;
use serde::{Deserialize, Serialize};
use store::FileRow;
use utoipa::ToSchema;

use crate::organization::list::Listed;

/// A file, in OpenAI's shape.
#[derive(Serialize, ToSchema)]
pub(crate) struct File {
    /// Its id.
    id: String,
    /// Always `file`.
    object: &'static str,
    /// How many bytes it has.
    bytes: u64,
    /// When it was made, in seconds since the Unix epoch.
    created_at: i64,
    /// When it goes, in seconds since the Unix epoch.
    expires_at: Option<i64>,
    /// What it is called.
    filename: String,
    /// What it is for.
    purpose: &'static str,
    /// Always `processed`.
    status: &'static str,
    /// Always null.
    status_details: Option<String>,
}

impl From<FileRow> for File {
    fn from(row: FileRow) -> Self {
        Self {
            id: row.id.to_string(),
            object: "file",
            bytes: row.bytes,
            created_at: row.created_at.as_secs(),
            expires_at: row.expires_at.map(Timestamp::as_secs),
            filename: row.filename,
            purpose: row.purpose.as_str(),
            status: "processed",
            status_details: None,
        }
    }
}

impl Listed for File {
    fn id(&self) -> &str {
        &self.id
    }
}

/// When a file goes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpiresAfter {
    /// From when it is counted: always `created_at`.
    pub(in crate::v1) anchor: Anchor,
    /// How many seconds after that.
    #[schema(minimum = 3600, maximum = 2_592_000)]
    pub(in crate::v1) seconds: u64,
}

/// From when a file's life is counted.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Anchor {
    /// From its making.
    CreatedAt,
}

/// The caller as the owner of files.
pub(super) fn owner(caller: &Identified) -> Owner {
    let owner = caller.owner();
    Owner {
        organization: owner.organization.clone(),
        project: owner.project.clone(),
        key: owner.key.clone(),
        retention: caller.retention(),
    }
}
