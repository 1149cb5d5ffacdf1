//! Blobs in a bucket of S3, or of a server that speaks its protocol.
//!
//! Bytes leave in parts of 8 MiB, one at a time, so a file of any length needs the memory of two.
//! What is shorter than that is one request.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use kernel::Timestamp;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{
    ClientOptions, Error, MultipartUpload, ObjectStore, ObjectStoreExt as _, PutPayload,
    RetryConfig,
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::runtime::Handle;

use super::{Listed, OWNER, below, is_name};
use crate::FilesError;

/// Bytes of a part. Every part but the last has so many: some servers want them alike.
const PART: usize = 8 * 1024 * 1024;
/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a request with a part may take.
const REQUEST: Duration = Duration::from_secs(120);
/// How long a request is tried again.
const PATIENCE: Duration = Duration::from_secs(60);
const RETRIES: usize = 4;

/// A bucket, and how to reach it.
#[derive(Clone)]
pub struct BucketConfig {
    /// The bucket.
    pub bucket: String,
    /// Put before the name of every blob; empty: nothing.
    pub prefix: String,
    /// The region.
    pub region: String,
    /// The server; empty: Amazon's of the region. With `http://` nothing is encrypted on the way but
    /// the blobs themselves.
    pub endpoint: String,
    /// Whether the bucket's name is part of the path, as most other servers want it, and not of the
    /// host.
    pub path_style: bool,
    /// The id of the access key; empty: the machine's own role is asked for.
    pub access_key_id: String,
    /// The access key.
    pub secret_access_key: SecretString,
}

impl fmt::Debug for BucketConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketConfig")
            .field("bucket", &self.bucket)
            .field("prefix", &self.prefix)
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// A bucket with blobs.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    store: Arc<dyn ObjectStore>,
    prefix: Arc<str>,
}

impl Bucket {
    pub(super) fn open(config: &BucketConfig) -> Result<Self, FilesError> {
        let options = ClientOptions::new().with_connect_timeout(CONNECT).with_timeout(REQUEST);
        let retry =
            RetryConfig { max_retries: RETRIES, retry_timeout: PATIENCE, ..RetryConfig::default() };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&config.bucket)
            .with_region(&config.region)
            .with_virtual_hosted_style_request(!config.path_style)
            .with_client_options(options)
            .with_retry(retry);
        if !config.endpoint.is_empty() {
            let plain = config.endpoint.starts_with("http://");
            builder = builder.with_endpoint(&config.endpoint).with_allow_http(plain);
        }
        if !config.access_key_id.is_empty() {
            builder = builder
                .with_access_key_id(&config.access_key_id)
                .with_secret_access_key(config.secret_access_key.expose_secret());
        }
        let store = builder.build().map_err(failed("use its bucket"))?;
        Ok(Self { store: Arc::new(store), prefix: config.prefix.trim_matches('/').into() })
    }

    pub(super) fn draft(&self, blob: &str) -> BucketDraft {
        BucketDraft {
            store: Arc::clone(&self.store),
            path: self.path(&below(blob)),
            waiting: Vec::new(),
            length: 0,
            parts: None,
        }
    }

    pub(super) async fn read(
        &self,
        blob: &str,
        range: Range<u64>,
    ) -> Result<Option<Bytes>, FilesError> {
        let wanted = range.end.saturating_sub(range.start);
        let read = self.store.get_range(&self.path(&below(blob)), range).await;
        let read = if_there(read).map_err(failed("read a blob"))?;
        match read {
            Some(bytes) if bytes.len() as u64 != wanted => Err(FilesError::Unavailable {
                doing: "read a blob",
                reason: format!("it gave {} bytes of {wanted}", bytes.len()),
            }),
            read => Ok(read),
        }
    }

    pub(super) async fn delete(&self, blob: &str) -> Result<(), FilesError> {
        let deleted = if_there(self.store.delete(&self.path(&below(blob))).await);
        deleted.map(|_| ()).map_err(failed("delete a blob"))
    }

    pub(super) async fn exists(&self, blob: &str) -> Result<bool, FilesError> {
        let found = if_there(self.store.head(&self.path(&below(blob))).await);
        Ok(found.map_err(failed("look for a blob"))?.is_some())
    }

    pub(super) async fn list(&self, shard: u8) -> Result<Vec<Listed>, FilesError> {
        let shard = self.path(&format!("{shard:02x}"));
        let listed = self.store.list(Some(&shard)).try_filter_map(|found| async move {
            let Some(blob) = found.location.filename().filter(|name| is_name(name)) else {
                return Ok(None);
            };
            let written_at = Timestamp::from_micros(found.last_modified.timestamp_micros());
            Ok(Some(Listed { blob: blob.to_owned(), written_at }))
        });
        listed.try_collect().await.map_err(failed("list its blobs"))
    }

    pub(super) async fn claim(&self, owner: &str) -> Result<String, FilesError> {
        let path = self.path(OWNER);
        let claim = async {
            if let Some(there) = if_there(self.store.get(&path).await)? {
                return Ok(String::from_utf8_lossy(&there.bytes().await?).into_owned());
            }
            self.store.put(&path, owner.to_owned().into()).await?;
            Ok(owner.to_owned())
        };
        claim.await.map_err(failed("say whose it is"))
    }

    fn path(&self, below: &str) -> Path {
        match &*self.prefix {
            "" => Path::from(below),
            prefix => Path::from(format!("{prefix}/{below}")),
        }
    }
}

/// A blob on its way into a bucket.
pub(crate) struct BucketDraft {
    store: Arc<dyn ObjectStore>,
    path: Path,
    /// What has not left yet, in pieces as they came: no more than a part.
    waiting: Vec<Bytes>,
    /// How many bytes that is.
    length: usize,
    /// The parts that have left; `None` while there are none.
    parts: Option<Box<dyn MultipartUpload>>,
}

impl BucketDraft {
    pub(super) async fn write(&mut self, mut data: Bytes) -> Result<(), FilesError> {
        while self.length + data.len() > PART {
            let room = PART - self.length;
            self.keep(data.split_to(room));
            self.send().await.map_err(failed("write a blob"))?;
        }
        self.keep(data);
        Ok(())
    }

    pub(super) async fn finish(mut self) -> Result<(), FilesError> {
        let finish = async {
            if self.parts.is_none() {
                let whole = self.take();
                return self.store.put(&self.path, whole).await.map(|_| ());
            }
            self.send().await?;
            if let Some(parts) = &mut self.parts {
                parts.complete().await?;
            }
            // There is nothing left to give up.
            self.parts = None;
            Ok(())
        };
        finish.await.map_err(failed("finish a blob"))
    }

    fn keep(&mut self, data: Bytes) {
        self.length += data.len();
        self.waiting.push(data);
    }

    fn take(&mut self) -> PutPayload {
        self.length = 0;
        self.waiting.drain(..).collect()
    }

    /// Sends what waits as a part.
    async fn send(&mut self) -> object_store::Result<()> {
        let part = self.take();
        if self.parts.is_none() {
            self.parts = Some(self.store.put_multipart(&self.path).await?);
        }
        match &mut self.parts {
            Some(parts) => parts.put_part(part).await,
            None => Ok(()),
        }
    }
}

impl Drop for BucketDraft {
    fn drop(&mut self) {
        // A process that dies cannot do this; a rule of the bucket must.
        if let (Some(mut parts), Ok(runtime)) = (self.parts.take(), Handle::try_current()) {
            runtime.spawn(async move {
                if let Err(error) = parts.abort().await {
                    tracing::warn!(%error, "an abandoned blob is still in the bucket in parts");
                }
            });
        }
    }
}

impl fmt::Debug for BucketDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketDraft").field("path", &self.path).finish_non_exhaustive()
    }
}

fn failed(doing: &'static str) -> impl FnOnce(Error) -> FilesError {
    move |error| FilesError::Unavailable { doing, reason: error.to_string() }
}

/// What is not there is no error.
fn if_there<T>(result: object_store::Result<T>) -> object_store::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    const BLOB: &str = "00ff0123456789abcdef0123456789ab";

    fn bucket(prefix: &str) -> (Bucket, Arc<InMemory>) {
        let store = Arc::new(InMemory::new());
        (Bucket { store: Arc::<InMemory>::clone(&store), prefix: prefix.into() }, store)
    }

    #[tokio::test]
    async fn a_blob_of_any_length_appears_when_it_is_finished() {
        let (bucket, _) = bucket("kijun/files");
        for length in [0, 1, PART - 1, PART, PART + 1, 3 * PART + 7] {
            let data: Vec<u8> = (0..length).map(|at| (at / 1_000) as u8).collect();
            let mut draft = bucket.draft(BLOB);
            for piece in data.chunks(1_000_003) {
                draft.write(Bytes::copy_from_slice(piece)).await.unwrap();
            }
            assert!(!bucket.exists(BLOB).await.unwrap(), "{length}");
            draft.finish().await.unwrap();
            if length > 0 {
                let read = bucket.read(BLOB, 0..length as u64).await.unwrap().unwrap();
                assert!(read == data, "{length}");
            }
            assert_eq!(bucket.list(0).await.unwrap()[0].blob, BLOB);
            bucket.delete(BLOB).await.unwrap();
            bucket.delete(BLOB).await.unwrap();
        }
        assert_eq!(bucket.read(BLOB, 0..1).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_blob_that_is_cut_off_is_not_read_as_a_whole() {
        let (bucket, store) = bucket("");
        let path = Path::from(below(BLOB));
        store.put(&path, Bytes::from_static(b"hello").into()).await.unwrap();
        assert!(bucket.read(BLOB, 0..5).await.is_ok());
        assert!(bucket.read(BLOB, 0..6).await.is_err());
    }

    #[tokio::test]
    async fn the_first_to_claim_a_bucket_has_it() {
        let (bucket, _) = bucket("kijun");
        assert_eq!(bucket.claim("one").await.unwrap(), "one");
        assert_eq!(bucket.claim("two").await.unwrap(), "one");
        assert_eq!(bucket.list(0).await.unwrap(), []);
    }

    #[test]
    fn the_key_is_never_shown() {
        let config = BucketConfig {
            bucket: "b".into(),
            prefix: String::new(),
            region: "us-east-1".into(),
            endpoint: "http://127.0.0.1:1".into(),
            path_style: true,
            access_key_id: "id".into(),
            secret_access_key: "canary-secret".to_owned().into(),
        };
        let bucket = Bucket::open(&config).unwrap();
        assert!(!format!("{config:?} {bucket:?}").contains("canary-secret"));
    }
}
