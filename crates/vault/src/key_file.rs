//! The master key in a local file that only its owner may read.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use kernel::{Rng, id};
use zeroize::Zeroizing;

use crate::{MasterKey, VaultError};

/// Every permission of others than the owner.
const OTHERS: u32 = 0o077;
/// The permissions with which others could put their own key in the place of ours.
const OTHERS_WRITE: u32 = 0o022;

impl MasterKey {
    /// The key in the file `path`; a new one is made when there is no such file.
    ///
    /// The file has mode 0600. Its folder is made with mode 0700; one that was there before may be
    /// readable by others, since the file is not, but not writable.
    ///
    /// # Errors
    /// When the file cannot be read or made, holds no key, or may be reached by others.
    pub fn load_or_create(path: &Path, rng: &dyn Rng) -> Result<Self, VaultError> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|source| failed("make the folder", folder, source))?;
        let mode = mode_of(&fs::metadata(folder).map_err(|e| failed("look at", folder, e))?);
        if mode & OTHERS_WRITE != 0 {
            return Err(VaultError::TooOpen { path: folder.into(), mode, wanted: 0o700 });
        }
        match load(path) {
            Err(VaultError::KeyFile { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                create(folder, path, rng)?;
                load(path)
            }
            loaded => loaded,
        }
    }
}

fn load(path: &Path) -> Result<MasterKey, VaultError> {
    let mut file = File::open(path).map_err(|e| failed("read", path, e))?;
    let metadata = file.metadata().map_err(|e| failed("look at", path, e))?;
    let mode = mode_of(&metadata);
    if mode & OTHERS != 0 {
        return Err(VaultError::TooOpen { path: path.into(), mode, wanted: 0o600 });
    }
    let mut text = Zeroizing::new(String::with_capacity(64));
    // A key has 45 bytes; the bound keeps a wrong file from filling the memory.
    (&mut file).take(4096).read_to_string(&mut text).map_err(|e| failed("read", path, e))?;
    MasterKey::from_base64(&text).map_err(|_| VaultError::InvalidKeyFile { path: path.into() })
}

/// Writes a new key beside `path` and gives it that name once it is whole: two processes that start
/// at once end up with one key, and a power cut leaves a whole key or none.
fn create(folder: &Path, path: &Path, rng: &dyn Rng) -> Result<(), VaultError> {
    let draft = folder.join(id::time_ordered(".key-", kernel::Timestamp::default(), rng));
    let written = write_key(&draft, &MasterKey::generate(rng));
    let named = written.and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => File::open(folder)?.sync_all(),
    });
    // The draft may be missing when writing it failed.
    let removed = match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    named.and(removed).map_err(|source| failed("create", path, source))
}

fn write_key(path: &Path, key: &MasterKey) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(key.to_base64().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

fn mode_of(metadata: &fs::Metadata) -> u32 {
    metadata.permissions().mode() & 0o7777
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> VaultError {
    VaultError::KeyFile { action, path: path.into(), source }
}

#[cfg(test)]
mod tests {
    use kernel::SystemRng;

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_key_is_made_once_and_privately() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/master.key");
        let made = MasterKey::load_or_create(&path, &SystemRng).unwrap();
        assert_eq!(mode_of(&fs::metadata(&path).unwrap()), 0o600);
        assert_eq!(mode_of(&fs::metadata(path.parent().unwrap()).unwrap()), 0o700);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left");

        let loaded = MasterKey::load_or_create(&path, &SystemRng).unwrap();
        assert_eq!(loaded.id().unwrap(), made.id().unwrap());
    }

    #[test]
    fn two_that_start_at_once_have_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        create(folder.path(), &path, &SystemRng).unwrap();
        let first = load(&path).unwrap().id().unwrap();
        create(folder.path(), &path, &SystemRng).unwrap();
        assert_eq!(load(&path).unwrap().id().unwrap(), first);
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        MasterKey::load_or_create(&path, &SystemRng).unwrap();
        set_mode(&path, 0o640);
        let error = MasterKey::load_or_create(&path, &SystemRng).unwrap_err();
        assert!(matches!(error, VaultError::TooOpen { mode: 0o640, .. }));
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_folder_that_others_may_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        set_mode(folder.path(), 0o770);
        let error = MasterKey::load_or_create(&path, &SystemRng).unwrap_err();
        assert!(error.to_string().contains("chmod 700"), "{error}");
        set_mode(folder.path(), 0o755);
        assert!(MasterKey::load_or_create(&path, &SystemRng).is_ok());
    }

    #[test]
    fn a_file_that_holds_no_key_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        fs::write(&path, "something else").unwrap();
        set_mode(&path, 0o600);
        let error = MasterKey::load_or_create(&path, &SystemRng).unwrap_err();
        assert!(matches!(error, VaultError::InvalidKeyFile { .. }));
        assert!(!error.to_string().contains("something else"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "something else");
    }
}
