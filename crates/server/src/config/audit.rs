//! `[audit]`: where the audit log's checkpoints are.

use std::path::PathBuf;

use serde::Deserialize;

use super::Config;
use crate::data_dir::DataDir;

/// `[audit]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditSection {
    folder: PathBuf,
}

impl Config {
    /// The folder of the audit log's checkpoints, made or not.
    pub(crate) fn audit_folder(&self) -> PathBuf {
        match self.audit.folder.as_os_str().is_empty() {
            true => DataDir::audit_in(&self.server.data_dir),
            false => self.audit.folder.clone(),
        }
    }
}
