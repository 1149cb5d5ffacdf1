//! The end of a batch: its results become files, in the order of its lines, and it is over.

use files::{FilesError, Incoming, NewFile, Owner};
use kernel::FileId;
use store::{Batch, FilePurpose};

use crate::Batches;
use crate::batches::owner;

/// Results in memory at once.
const AT_ONCE: u32 = 16;
/// Results that are removed in one transaction.
const REMOVED_AT_ONCE: u32 = 500;

impl Batches {
    /// Ends a batch whose lines are answered, or that was cancelled. Each step is kept, so that
    /// another node goes on where this one dies.
    pub(crate) async fn finalize(&self, batch: &Batch) -> Result<(), FilesError> {
        let (scope, id, node) = (batch.scope(), &batch.id, self.node.as_str());
        if batch.written_at.is_none() {
            let (output, error) = self.write_files(batch).await?;
            let written =
                self.store.batch_written(&scope, id, node, output.as_ref(), error.as_ref()).await?;
            if !written {
                return Ok(());
            }
        }
        while self.store.batch_result_remove(&scope, id, REMOVED_AT_ONCE).await? > 0 {}
        self.store.batch_finish(&scope, id, node).await?;
        Ok(())
    }

    /// Writes the output file and the error file; one that would be empty is not made.
    async fn write_files(
        &self,
        batch: &Batch,
    ) -> Result<(Option<FileId>, Option<FileId>), FilesError> {
        let retention = self.gateway.retention(&owner(batch));
        if retention.zero {
            // It was allowed when the batch was made, and is not any more.
            return Ok((None, None));
        }
        let owner = Owner {
            organization: batch.organization.clone(),
            project: batch.project.clone(),
            key: batch.api_key.clone(),
            retention,
        };
        let scope = batch.scope();
        let (mut output, mut error) = (None, None);
        let mut after = 0;
        loop {
            let results = self.store.batch_results(&scope, &batch.id, after, AT_ONCE).await?;
            let Some(last) = results.last() else { break };
            after = last.line;
            for mut result in results {
                let file = if result.failed { &mut error } else { &mut output };
                if file.is_none() {
                    *file = Some(self.files.writer(&owner).await?);
                }
                if let Some(file) = file {
                    result.body.push(b'\n');
                    file.write(&result.body).await?;
                }
            }
        }
        Ok((finish(batch, output, "output").await?, finish(batch, error, "error").await?))
    }
}

async fn finish(
    batch: &Batch,
    file: Option<Incoming>,
    kind: &str,
) -> Result<Option<FileId>, FilesError> {
    let Some(file) = file else { return Ok(None) };
    let new = NewFile {
        filename: format!("{}_{kind}.jsonl", batch.id),
        purpose: FilePurpose::BatchOutput,
        expires_after: batch.output_lifetime,
    };
    Ok(Some(file.finish(new).await?.id))
}
