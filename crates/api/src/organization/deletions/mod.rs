//! `/v1/organization/deletions`: Kijun's own. What was deleted because its time was over, with the
//! proof that it is gone.

pub(super) mod list;

use serde::Serialize;
use utoipa::ToSchema;

use super::list::Listed;

/// A deletion of content that was past its time. It holds nothing of what is gone.
#[derive(Serialize, ToSchema)]
pub(crate) struct Deletion {
    /// Always `organization.deletion`.
    object: &'static str,
    /// Its id.
    id: String,
    /// In which project.
    project_id: String,
    /// What was deleted: `response`, `conversation`, `chat_completion`, `trace`, `file`, `upload`
    /// or `batch`.
    kind: &'static str,
    /// What was made, or last changed, before this second had to go.
    cutoff: i64,
    /// When it began, in seconds since the Unix epoch.
    started_at: i64,
    /// When all of it was looked for and found gone, in seconds since the Unix epoch; null: not
    /// yet.
    #[schema(required)]
    verified_at: Option<i64>,
    /// Whether all of it was looked for and found gone.
    verified: bool,
    /// How many objects.
    rows: u64,
    /// How many blobs of theirs in the blob store.
    blobs: u64,
    /// Bytes of these blobs.
    bytes: u64,
    /// The SHA-256 of the sorted ids of the objects, each with a newline behind it, in hexadecimal.
    digest: String,
}

impl From<store::Deletion> for Deletion {
    fn from(deletion: store::Deletion) -> Self {
        Self {
            object: "organization.deletion",
            id: deletion.id,
            project_id: deletion.project.to_string(),
            kind: deletion.kind.as_str(),
            cutoff: deletion.cutoff.as_secs(),
            started_at: deletion.started_at.as_secs(),
            verified_at: deletion.proven_at.map(kernel::Timestamp::as_secs),
            verified: deletion.proven_at.is_some(),
            rows: deletion.rows,
            blobs: deletion.blobs,
            bytes: deletion.bytes,
            digest: deletion.digest,
        }
    }
}

impl Listed for Deletion {
    fn id(&self) -> &str {
        &self.id
    }
}
