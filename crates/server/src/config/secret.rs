//! A credential in the configuration: the text itself, or where to find it.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::Deserialize;

use super::{ConfigError, Environment, wrong};

/// `"text"`, `{ env = "NAME" }` or `{ file = "PATH" }`.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "expected \"text\", { env = \"NAME\" } or { file = \"PATH\" }")]
pub(super) enum SecretSource {
    /// The text itself.
    Text(SecretString),
    /// In a variable.
    Env(FromEnv),
    /// In a file.
    File(FromFile),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FromEnv {
    env: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FromFile {
    file: PathBuf,
}

impl SecretSource {
    /// The credential itself.
    pub(super) fn read(
        &self,
        owner: &str,
        environment: &Environment,
    ) -> Result<SecretString, ConfigError> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::Env(FromEnv { env }) => {
                let value = environment.get(env).ok_or_else(|| {
                    wrong(
                        owner,
                        format!(
                            "its credential is in the environment variable {env}, which is not set"
                        ),
                    )
                })?;
                Ok(value.to_owned().into())
            }
            Self::File(FromFile { file }) => read_secret_file(file),
        }
    }
}

/// A secret from a file, without the newline that editors add.
pub(crate) fn read_secret_file(path: &Path) -> Result<SecretString, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::UnreadableSecret { path: path.to_owned(), source })?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned().into())
}
