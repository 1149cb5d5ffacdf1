//! One bounded deletion: what will go is written down first, proven when it is gone.

use aws_lc_rs::digest::{Context, SHA256};
use files::Blobs;
use futures_util::{StreamExt as _, stream};
use kernel::{Scope, Timestamp};
use store::{ContentKind, Deletion, ExpiredRow, NewDeletion, Pending, Store, StoreError};

/// Blobs that are deleted or looked for at once.
const AT_ONCE: usize = 16;

/// Where content is deleted from.
pub(crate) struct Place<'a> {
    pub(crate) store: &'a Store,
    pub(crate) blobs: &'a Blobs,
}

/// What came of a deletion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// All of it was looked for, and is gone.
    Proven,
    /// Some of it is there yet, or could not be looked for.
    Unproven,
}

impl Place<'_> {
    /// Deletes these rows of the scope's project, with their blobs.
    pub(crate) async fn delete(
        &self,
        scope: &Scope,
        kind: ContentKind,
        cutoff: Timestamp,
        expired: Vec<ExpiredRow>,
    ) -> Result<(Deletion, Outcome), StoreError> {
        let bytes = expired.iter().map(|row| row.bytes).sum();
        let mut pending = Pending::default();
        for row in expired {
            pending.ids.push(row.id);
            pending.blobs.extend(row.blobs);
        }
        pending.ids.sort_unstable();
        let digest = digest(&pending.ids);
        let new = NewDeletion { kind, cutoff, bytes, digest, pending };
        let deletion = self.store.deletion_begin(scope, &new).await?;
        let outcome = self.finish(&deletion, &new.pending).await?;
        Ok((deletion, outcome))
    }

    /// Makes gone what was written down, and looks whether it is.
    pub(crate) async fn finish(
        &self,
        deletion: &Deletion,
        pending: &Pending,
    ) -> Result<Outcome, StoreError> {
        let scope = Scope {
            organization: deletion.organization.clone(),
            project: Some(deletion.project.clone()),
        };
        let (store, kind) = (self.store, deletion.kind);
        // Rows first: a row must never point to what is no more.
        store.content_delete(&scope, kind, &pending.ids).await?;
        // One that found another owner meanwhile is that owner's, and waits for its time.
        let in_use = store.blobs_in_use(&pending.blobs).await?;
        self.delete_blobs(pending.blobs.iter().filter(|blob| !in_use.contains(*blob))).await;
        let rows = store.content_remaining(&scope, kind, &pending.ids).await?.len();
        let blobs = self.blobs_remaining(&pending.blobs).await;
        if rows + blobs > 0 {
            tracing::error!(
                deletion = deletion.id,
                project = %deletion.project,
                kind = kind.as_str(),
                rows,
                blobs,
                "what had to be deleted may still be there; it is tried again"
            );
            return Ok(Outcome::Unproven);
        }
        store.deletion_prove(&scope, &deletion.id).await?;
        tracing::info!(
            deletion = deletion.id,
            project = %deletion.project,
            kind = kind.as_str(),
            rows = deletion.rows,
            blobs = deletion.blobs,
            "deleted what was past its time"
        );
        Ok(Outcome::Proven)
    }

    async fn delete_blobs(&self, names: impl Iterator<Item = &String>) {
        let delete = |name: String| async move {
            if let Err(error) = self.blobs.delete(&name).await {
                tracing::warn!(blob = name, %error, "a blob could not be deleted");
            }
        };
        stream::iter(names.cloned()).for_each_concurrent(AT_ONCE, delete).await;
    }

    /// Blobs that are there yet. One that cannot be looked for counts as there.
    async fn blobs_remaining(&self, names: &[String]) -> usize {
        stream::iter(names.to_vec())
            .map(|name| async move { !matches!(self.blobs.exists(&name).await, Ok(false)) })
            .buffer_unordered(AT_ONCE)
            .filter(|there| std::future::ready(*there))
            .count()
            .await
    }
}

/// The SHA-256 of these ids, each with a newline behind it, in hexadecimal.
fn digest(sorted: &[String]) -> String {
    let mut context = Context::new(&SHA256);
    for id in sorted {
        context.update(id.as_bytes());
        context.update(b"\n");
    }
    let hash = context.finish();
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anyone_can_recompute_the_digest() {
        // printf 'resp_a\nresp_b\n' | sha256sum
        let ids = ["resp_a".to_owned(), "resp_b".to_owned()];
        assert_eq!(
            digest(&ids),
            "ddad1310c9a084ebcc3e0fae1347c9476ce942a11510658093c7cb07ac2d7627"
        );
    }
}
