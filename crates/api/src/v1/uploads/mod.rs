//! `/v1/uploads`

pub(super) mod add_part;
pub(super) mod cancel;
pub(super) mod complete;
pub(super) mod create;

use serde::Serialize;
use utoipa::ToSchema;

use super::files::{Anchor, ExpiresAfter, File, owner};

/// An upload, in OpenAI's shape.
#[derive(Serialize, ToSchema)]
pub(crate) struct Upload {
    /// Its id.
    id: String,
    /// Always `upload`.
    object: &'static str,
    /// How many bytes its file will have.
    bytes: u64,
    /// When it was begun, in seconds since the Unix epoch.
    created_at: i64,
    /// When it takes no more parts, in seconds since the Unix epoch.
    expires_at: i64,
    /// What its file is called.
    filename: String,
    /// What its file is for.
    purpose: &'static str,
    /// How far it has come: `pending`, `completed`, `cancelled` or `expired`.
    status: &'static str,
    /// The file that it became.
    file: Option<File>,
}

impl From<files::Upload> for Upload {
    fn from(upload: files::Upload) -> Self {
        let files::Upload { row, status, file } = upload;
        Self {
            id: row.id.to_string(),
            object: "upload",
            bytes: row.bytes,
            created_at: row.created_at.as_secs(),
            expires_at: row.expires_at.as_secs(),
            filename: row.filename,
            purpose: row.purpose.as_str(),
            status: status.as_str(),
            file: file.map(Into::into),
        }
    }
}
