//! The end of a batch: its results become files, in the order of its lines, and it is over.

use files::{FilesError, Incoming, NewFile, Owner};
use kernel::{BatchId, FileId};
use store::{Batch, FilePurpose, StoreError};

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
        let mut output = self.results_file(batch, Kind::Output).await?;
        let mut error = self.results_file(batch, Kind::Error).await?;
        let mut after = 0;
        loop {
            let results = self.store.batch_results(&scope, &batch.id, after, AT_ONCE).await?;
            let Some(last) = results.last() else { break };
            after = last.line;
            for mut result in results {
                result.body.push(b'\n');
                let file = if result.failed { &mut error } else { &mut output };
                file.write(self, &owner, &result.body).await?;
            }
        }
        Ok((output.finish(batch).await?, error.finish(batch).await?))
    }

    /// One of a batch's files. A node that died may have made it already.
    async fn results_file(&self, batch: &Batch, kind: Kind) -> Result<ResultsFile, FilesError> {
        let id = kind.file_of(&batch.id);
        let state = match self.files.get(&batch.scope(), &id).await {
            Ok(_) => State::There,
            Err(FilesError::Store(StoreError::NotFound { .. })) => State::Empty,
            Err(error) => return Err(error),
        };
        Ok(ResultsFile { kind, id, state })
    }
}

/// Which of a batch's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Output,
    Error,
}

impl Kind {
    /// The id of a batch's file, which is always the same: the batch's own, with another last digit.
    fn file_of(self, batch: &BatchId) -> FileId {
        let digits = batch.as_str().strip_prefix(BatchId::PREFIX).unwrap_or(batch.as_str());
        let shared = digits.get(..digits.len().saturating_sub(1)).unwrap_or(digits);
        let last = match self {
            Self::Output => 0,
            Self::Error => 1,
        };
        FileId::from(format!("{}{shared}{last}", FileId::PREFIX))
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Output => "output",
            Self::Error => "error",
        }
    }
}

/// A file of results on its way.
struct ResultsFile {
    kind: Kind,
    id: FileId,
    state: State,
}

enum State {
    /// It was made before.
    There,
    /// Nothing is to be in it so far.
    Empty,
    Open(Box<Incoming>),
}

impl ResultsFile {
    async fn write(
        &mut self,
        batches: &Batches,
        owner: &Owner,
        line: &[u8],
    ) -> Result<(), FilesError> {
        if let State::Empty = self.state {
            self.state = State::Open(Box::new(batches.files.writer(owner).await?));
        }
        match &mut self.state {
            State::Open(incoming) => incoming.write(line).await,
            State::There | State::Empty => Ok(()),
        }
    }

    /// Its id, unless there is nothing in it.
    async fn finish(self, batch: &Batch) -> Result<Option<FileId>, FilesError> {
        match self.state {
            State::There => Ok(Some(self.id)),
            State::Empty => Ok(None),
            State::Open(incoming) => {
                let new = NewFile {
                    filename: format!("{}_{}.jsonl", batch.id, self.kind.name()),
                    purpose: FilePurpose::BatchOutput,
                    expires_after: batch.output_lifetime,
                };
                Ok(Some(incoming.finish_as(self.id, new).await?.id))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batchs_files_always_have_the_same_ids() {
        let batch = BatchId::from("batch_019a000000001111222233334444555f");
        assert_eq!(Kind::Output.file_of(&batch).as_str(), "file-019a0000000011112222333344445550");
        assert_eq!(Kind::Error.file_of(&batch).as_str(), "file-019a0000000011112222333344445551");
    }
}
