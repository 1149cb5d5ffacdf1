//! What clients do with batches: make, read, list, cancel.

use std::time::Duration;

use files::FilesError;
use gateway::Identified;
use kernel::{BatchId, FileId, Scope};
use serde_json::{Map, Value};
use store::{Batch, BatchStatus, FilePurpose, NewBatch, Page, Paged, StoreError};

use crate::{BatchError, Batches, Endpoint};

/// The time that a batch may take, the only one that OpenAI's API has.
const WINDOW: &str = "24h";
const WINDOW_TIME: Duration = Duration::from_secs(24 * 60 * 60);
/// How long output files may be kept, in seconds.
const LIFETIMES: std::ops::RangeInclusive<u64> = 3_600..=2_592_000;

/// A batch as a client asks for it.
#[derive(Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The file of its lines.
    pub input_file: FileId,
    /// The path that all its lines go to.
    pub endpoint: String,
    /// The time it may take: `24h`.
    pub completion_window: String,
    /// What the client notes with it. Content.
    pub metadata: Option<Map<String, Value>>,
    /// For how many seconds its own files are kept.
    pub output_lifetime_secs: Option<u64>,
}

impl std::fmt::Debug for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wanted").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Batches {
    /// Makes a batch. Its input file is checked by and by, and begun at once.
    ///
    /// # Errors
    /// [`BatchError`], when the request itself is wrong.
    pub async fn create(&self, caller: &Identified, wanted: Wanted) -> Result<Batch, BatchError> {
        if caller.retention().zero {
            return Err(BatchError::ZeroRetention);
        }
        let Some(endpoint) = Endpoint::of_path(&wanted.endpoint) else {
            let known = Endpoint::known();
            return Err(BatchError::unknown_value("endpoint", &wanted.endpoint, &known));
        };
        if wanted.completion_window != WINDOW {
            let window = &wanted.completion_window;
            return Err(BatchError::unknown_value("completion_window", window, "'24h'"));
        }
        if let Some(secs) = wanted.output_lifetime_secs.filter(|secs| !LIFETIMES.contains(secs)) {
            let (least, most) = (LIFETIMES.start(), LIFETIMES.end());
            let message = format!(
                "`output_expires_after.seconds` must be between {least} (1 hour) and {most} (30 \
                 days), and is {secs}."
            );
            return Err(BatchError::invalid("output_expires_after.seconds", message));
        }
        let metadata = wanted.metadata.map(checked_metadata).transpose()?;
        let (scope, owner) = (caller.scope(), caller.owner());
        self.check_input_file(&scope, &wanted.input_file).await?;
        let new = NewBatch {
            api_key: owner.key.clone(),
            service_account: owner.service_account.clone(),
            endpoint: endpoint.path(),
            completion_window: wanted.completion_window,
            expires_at: self.clock.now().plus(WINDOW_TIME),
            input_file: wanted.input_file,
            output_lifetime: wanted.output_lifetime_secs.map(Duration::from_secs),
            metadata,
        };
        let batch = self.store.batch_create(&scope, &new).await?;
        self.look_again();
        Ok(batch)
    }

    /// One batch of the scope.
    ///
    /// # Errors
    /// [`BatchError::NotFound`]
    pub async fn get(&self, scope: &Scope, id: &BatchId) -> Result<Batch, BatchError> {
        Ok(self.store.batch_get(scope, id).await?)
    }

    /// The batches of the scope, the newest first.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn list(&self, scope: &Scope, page: &Page) -> Result<Paged<Batch>, BatchError> {
        Ok(self.store.batch_list(scope, page).await?)
    }

    /// Tells a batch to stop. Lines that are under way end; what was answered is in its files.
    ///
    /// # Errors
    /// [`BatchError::Over`] when its lines are all answered.
    pub async fn cancel(&self, scope: &Scope, id: &BatchId) -> Result<Batch, BatchError> {
        let batch = match self.store.batch_cancel(scope, id).await {
            Err(StoreError::Conflict { .. }) => {
                let status = self.store.batch_get(scope, id).await?.status;
                return Err(BatchError::Over { status: status.as_str() });
            }
            cancelled => cancelled?,
        };
        if batch.status == BatchStatus::Cancelling {
            self.stand_down(id);
            self.look_again();
        }
        Ok(batch)
    }

    async fn check_input_file(&self, scope: &Scope, id: &FileId) -> Result<(), BatchError> {
        let purpose = match self.files.get(scope, id).await {
            Ok(file) => file.purpose,
            Err(FilesError::Store(StoreError::NotFound { .. })) => {
                let id: String = id.as_str().chars().take(100).collect();
                let message = format!("No such File object: {id}");
                return Err(BatchError::invalid("input_file_id", message));
            }
            Err(FilesError::Store(error)) => return Err(error.into()),
            Err(error) => {
                return Err(BatchError::Store(StoreError::Unavailable {
                    reason: error.to_string(),
                }));
            }
        };
        if purpose == FilePurpose::Batch {
            return Ok(());
        }
        let message = format!(
            "The input file must have the purpose 'batch', and has '{}'. Upload it again with the \
             right purpose.",
            purpose.as_str()
        );
        Err(BatchError::invalid("input_file_id", message))
    }
}

/// Metadata within OpenAI's bounds, as it is stored.
fn checked_metadata(metadata: Map<String, Value>) -> Result<String, BatchError> {
    const PAIRS: usize = 16;
    const KEY: usize = 64;
    const VALUE: usize = 512;
    let invalid = |message: String| Err(BatchError::invalid("metadata", message));
    if metadata.len() > PAIRS {
        return invalid(format!("`metadata` takes {PAIRS} pairs, and has {}.", metadata.len()));
    }
    for (key, value) in &metadata {
        let Value::String(value) = value else {
            return invalid("The values of `metadata` must be strings.".to_owned());
        };
        if key.chars().count() > KEY || value.chars().count() > VALUE {
            return invalid(format!(
                "Keys of `metadata` have up to {KEY} characters, values up to {VALUE}."
            ));
        }
    }
    Ok(Value::Object(metadata).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn metadata_has_bounds() {
        let check = |value: Value| checked_metadata(value.as_object().unwrap().clone());
        assert_eq!(check(json!({"b": "1", "a": "2"})).unwrap(), r#"{"b":"1","a":"2"}"#);
        assert!(check(json!({"k".repeat(64): "v".repeat(512)})).is_ok());
        let many: Map<_, _> = (0..17).map(|n| (n.to_string(), json!("x"))).collect();
        for wrong in [
            json!({"a": 1}),
            json!({"k".repeat(65): "v"}),
            json!({"k": "é".repeat(513)}),
            Value::Object(many),
        ] {
            assert!(check(wrong).is_err());
        }
    }
}
