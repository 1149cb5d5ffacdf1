//! `[files]`: how large files may be, and where their bytes are.

use std::path::PathBuf;

use files::{BlobConfig, BucketConfig, FilesConfig};
use serde::Deserialize;

use super::secret::SecretSource;
use super::{Config, ConfigError, Environment, wrong};
use crate::data_dir::DataDir;

/// `[files]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilesSection {
    max_file_bytes: u64,
    folder: PathBuf,
    s3: S3Section,
}

/// `[files.s3]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct S3Section {
    bucket: String,
    prefix: String,
    region: String,
    endpoint: String,
    path_style: bool,
    access_key_id: String,
    secret_access_key: SecretSource,
}

impl Config {
    /// What files may be.
    pub(crate) const fn files(&self) -> FilesConfig {
        FilesConfig { max_file_bytes: self.files.max_file_bytes }
    }

    /// Where the bytes of files are.
    ///
    /// # Errors
    /// When the settings contradict each other, or a credential is not where it should be.
    pub(crate) fn blobs(
        &self,
        environment: &Environment,
        data_dir: &DataDir,
    ) -> Result<BlobConfig, ConfigError> {
        let FilesSection { folder, s3, .. } = &self.files;
        let own_folder = !folder.as_os_str().is_empty();
        if s3.bucket.is_empty() {
            let folder = if own_folder { folder.clone() } else { data_dir.blobs() };
            return Ok(BlobConfig::Folder(folder));
        }
        if own_folder {
            let problem = "is set beside files.s3.bucket; bytes are in one place, so empty one";
            return Err(wrong("files.folder", problem));
        }
        Ok(BlobConfig::Bucket(BucketConfig {
            bucket: s3.bucket.clone(),
            prefix: s3.prefix.clone(),
            region: s3.region.clone(),
            endpoint: s3.endpoint.clone(),
            path_style: s3.path_style,
            access_key_id: s3.access_key_id.clone(),
            secret_access_key: s3.secret_access_key.read("files.s3", environment)?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, environment: &[(&str, &str)]) -> Result<BlobConfig, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kijun.toml");
        std::fs::write(&path, text).unwrap();
        let environment = Environment::of(environment);
        let config = Config::load(Some(&path), &environment)?;
        config.blobs(&environment, &DataDir::open(folder.path()).unwrap())
    }

    #[test]
    fn bytes_are_in_the_data_directory_unless_said_otherwise() {
        assert!(matches!(read("", &[]), Ok(BlobConfig::Folder(path)) if path.ends_with("blobs")));
        let shared = read("[files]\nfolder = \"/mnt/shared\"\n", &[]);
        assert!(matches!(shared, Ok(BlobConfig::Folder(path)) if path.ends_with("shared")));
    }

    #[test]
    fn a_bucket_takes_its_key_from_where_secrets_are() {
        let file = "[files.s3]\nbucket = \"b\"\nsecret_access_key = { env = \"MY_KEY\" }\n";
        let Ok(BlobConfig::Bucket(bucket)) = read(file, &[("MY_KEY", "canary")]) else {
            panic!("no bucket");
        };
        assert_eq!((bucket.bucket.as_str(), bucket.region.as_str()), ("b", "us-east-1"));
        assert!(!format!("{bucket:?}").contains("canary"));
        assert!(read(file, &[]).unwrap_err().to_string().contains("MY_KEY"));
        let from_environment =
            [("KIJUN_FILES_S3_BUCKET", "b"), ("KIJUN_FILES_S3_SECRET_ACCESS_KEY", "canary")];
        assert!(matches!(read("", &from_environment), Ok(BlobConfig::Bucket(_))));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for (text, key) in [
            ("[files]\nfolder = \"x\"\n[files.s3]\nbucket = \"b\"\n", "files.folder"),
            ("[files]\nmax_file_bytes = 68719476737\n", "files.max_file_bytes"),
            ("[files.s3]\nbuket = \"b\"\n", "did you mean `bucket`?"),
        ] {
            let error = read(text, &[]).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}
