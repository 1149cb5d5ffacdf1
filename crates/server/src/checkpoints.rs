//! The folder of the audit log's checkpoints: one file per chain, only ever added to, and the key
//! that signs them. It is kept outside the database, and best on another machine's disk.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::Arc;

use audit::{Checkpoint, Digest, Head, Hex, PublicKey, SigningKey};
use kernel::{Rng, Timestamp, id};
use zeroize::Zeroizing;

/// Longer than any line.
const LONGEST_LINE: u64 = 4096;

/// Why checkpoints cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckpointError {
    /// The folder, or a file in it.
    #[error("{} cannot be {what}: {source}; let this user read and write there", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// Which file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The key file holds something else.
    #[error("{} holds no signing key: write 64 hexadecimal digits, or remove it to have a new one made", path.display())]
    NoKey {
        /// Which file.
        path: PathBuf,
    },
    /// The database is behind what was signed of it.
    #[error(
        "the audit log of {chain} does not go on where checkpoint {sequence} was signed; run \
         `kijun audit verify`"
    )]
    Behind {
        /// Which chain.
        chain: String,
        /// The entry that was signed.
        sequence: i64,
    },
}

/// A folder of checkpoints, and the key that signs new ones.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoints {
    folder: PathBuf,
    key: Arc<SigningKey>,
}

impl Checkpoints {
    /// Opens the folder; it and its key are made if absent.
    pub(crate) fn open(folder: &Path, rng: &dyn Rng) -> Result<Self, CheckpointError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed("made", folder))?;
        let key = match load_key(folder)? {
            Some(key) => key,
            None => make_key(folder, rng)?,
        };
        Ok(Self { folder: folder.to_owned(), key: Arc::new(key) })
    }

    /// What others check the signatures by.
    pub(crate) fn public_key(&self) -> PublicKey {
        self.key.public()
    }

    /// Signs the ends that moved since they were last signed. Other processes may do the same at the
    /// same time. Returns what it signed; one chain that cannot be signed holds no other up.
    pub(crate) fn sign(
        &self,
        heads: &[Head],
        now: Timestamp,
    ) -> Vec<Result<Checkpoint, CheckpointError>> {
        let lock = self.folder.join("lock");
        let mut options = File::options();
        options.create(true).truncate(false).write(true).mode(0o600);
        let turn = options.open(&lock).and_then(|file| file.lock().map(|()| file));
        match turn {
            Ok(_turn) => {
                heads.iter().filter_map(|head| self.sign_one(head, now).transpose()).collect()
            }
            Err(source) => vec![Err(failed("locked", &lock)(source))],
        }
    }

    fn sign_one(&self, head: &Head, now: Timestamp) -> Result<Option<Checkpoint>, CheckpointError> {
        let path = self.folder.join(file_name(&head.chain));
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).mode(0o600).open(&path);
        let mut file = file.map_err(failed("opened", &path))?;
        let last = last_line(&mut file).map_err(failed("read", &path))?;
        let last: Option<Checkpoint> = last.and_then(|line| serde_json::from_str(&line).ok());
        match &last {
            Some(last) if last.sequence == head.sequence && last.hash == head.hash => {
                return Ok(None);
            }
            Some(last) if last.sequence >= head.sequence => {
                let (chain, sequence) = (head.chain.clone(), last.sequence);
                return Err(CheckpointError::Behind { chain, sequence });
            }
            _ => {}
        }
        let previous = last.as_ref().map_or(Digest::ZERO, Checkpoint::digest);
        let checkpoint = self.key.sign(head, now, previous);
        let mut line = serde_json::to_string(&checkpoint)
            .map_err(|error| failed("written", &path)(io::Error::other(error)))?;
        line.push('\n');
        file.write_all(line.as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| File::open(&self.folder)?.sync_all())
            .map_err(failed("written", &path))?;
        Ok(Some(checkpoint))
    }
}

/// The chains that a folder has checkpoints of.
pub(crate) fn chains(folder: &Path) -> Result<Vec<String>, CheckpointError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed("read", folder))?,
    };
    let mut chains = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed("read", folder))?.file_name();
        if let Some(chain) = name.to_str().and_then(|name| name.strip_suffix(".jsonl")) {
            chains.push(chain.to_owned());
        }
    }
    Ok(chains)
}

/// What a folder has of a chain, a checkpoint per line.
pub(crate) fn read(folder: &Path, chain: &str) -> Result<String, CheckpointError> {
    let path = folder.join(file_name(chain));
    match fs::read(&path) {
        Ok(bytes) => {
            // What a crash cut off was never a checkpoint.
            let text = String::from_utf8_lossy(&bytes);
            Ok(text.rsplit_once('\n').map_or_else(String::new, |(whole, _)| whole.to_owned()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(failed("read", &path)(source)),
    }
}

/// The key that signs in a folder, if there is one.
pub(crate) fn load_key(folder: &Path) -> Result<Option<SigningKey>, CheckpointError> {
    let path = folder.join("signing.key");
    let text = match fs::read_to_string(&path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed("read", &path)(source)),
    };
    let seed = Hex::<32>::from_str(text.trim()).ok();
    let key = seed.and_then(|seed| SigningKey::from_seed(&Zeroizing::new(seed.0)));
    key.map(Some).ok_or(CheckpointError::NoKey { path })
}

/// Makes the key beside its place and gives it its name once it is whole: two processes that start
/// at once end up with one key.
fn make_key(folder: &Path, rng: &dyn Rng) -> Result<SigningKey, CheckpointError> {
    let path = folder.join("signing.key");
    let draft = folder.join(id::time_ordered(".key-", Timestamp::default(), rng));
    let mut seed = Zeroizing::new([0; 32]);
    rng.fill(seed.as_mut());
    let text = Zeroizing::new(format!("{}\n", Hex(*seed)));
    let mut options = OpenOptions::new();
    let written = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| match fs::hard_link(&draft, &path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => File::open(folder)?.sync_all(),
        });
    let removed = fs::remove_file(&draft);
    written.and(removed).map_err(failed("written", &path))?;
    load_key(folder)?.ok_or(CheckpointError::NoKey { path })
}

/// The last whole line; what a crash left of one more is cut off.
fn last_line(file: &mut File) -> io::Result<Option<String>> {
    let length = file.seek(SeekFrom::End(0))?;
    let start = length.saturating_sub(2 * LONGEST_LINE);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    if whole < bytes.len() {
        file.set_len(start + whole as u64)?;
    }
    let text = String::from_utf8_lossy(bytes.get(..whole).unwrap_or_default());
    Ok(text.lines().next_back().map(str::to_owned))
}

/// A chain's name is an id; whatever else a database may say of it stays in the folder.
fn file_name(chain: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' };
    format!("{}.jsonl", chain.chars().map(safe).collect::<String>())
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CheckpointError {
    let path = path.to_owned();
    move |source| CheckpointError::File { what, path, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use audit::{Verifier, Witness};
    use kernel::SystemRng;

    use super::*;

    fn head(sequence: i64, hash: u8) -> Head {
        Head { chain: "org-1".into(), sequence, hash: Hex([hash; 32]) }
    }

    fn signed(checkpoints: &Checkpoints, head: Head) -> usize {
        let signed = checkpoints.sign(&[head], Timestamp::from_secs(1));
        signed.into_iter().map(Result::unwrap).count()
    }

    /// What a verifier says of the folder, and how many checkpoints hold.
    fn verified(folder: &Path, key: PublicKey) -> (usize, usize) {
        let mut witness = Witness::default();
        witness.read("org-1", read(folder, "org-1").unwrap().lines(), &[key]);
        let report = Verifier::new(witness, None).end(None);
        (report.checkpoints, report.findings.len())
    }

    #[test]
    fn only_what_moved_is_signed() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("audit");
        let one = Checkpoints::open(&folder, &SystemRng).unwrap();
        let two = Checkpoints::open(&folder, &SystemRng).unwrap();
        assert_eq!(one.public_key(), two.public_key(), "the key is made once");
        let mode = fs::metadata(folder.join("signing.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(signed(&one, head(1, 1)), 1);
        assert_eq!(signed(&two, head(1, 1)), 0);
        assert_eq!(signed(&two, head(3, 3)), 1);
        assert_eq!(chains(&folder).unwrap(), ["org-1"]);
        // Both checkpoints hold; nothing but the entries is missing.
        assert_eq!(verified(&folder, one.public_key()), (2, 1));
    }

    #[test]
    fn a_log_that_went_back_is_not_signed() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::open(folder.path(), &SystemRng).unwrap();
        signed(&checkpoints, head(5, 5));
        for head in [head(4, 4), head(5, 6)] {
            let refused = checkpoints.sign(&[head], Timestamp::from_secs(2));
            assert!(matches!(refused[..], [Err(CheckpointError::Behind { sequence: 5, .. })]));
        }
    }

    #[test]
    fn a_line_that_a_crash_cut_off_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::open(folder.path(), &SystemRng).unwrap();
        signed(&checkpoints, head(1, 1));
        let path = folder.path().join("org-1.jsonl");
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(b"{\"chain\":\"org").unwrap();
        assert_eq!(verified(folder.path(), checkpoints.public_key()), (1, 1));
        assert_eq!(signed(&checkpoints, head(2, 2)), 1);
        assert_eq!(verified(folder.path(), checkpoints.public_key()), (2, 1));
    }

    #[test]
    fn a_wrong_key_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("signing.key"), "not a key").unwrap();
        let error = Checkpoints::open(folder.path(), &SystemRng).unwrap_err().to_string();
        assert!(error.contains("signing.key"), "{error}");
    }
}
