//! The master keys in a local file that only its owner may read.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use kernel::{Rng, id};
use zeroize::Zeroizing;

use crate::{MasterKey, MasterKeys, VaultError};

/// Every permission of others than the owner.
const OTHERS: u32 = 0o077;
/// The permissions with which others could put their own key in the place of ours.
const OTHERS_WRITE: u32 = 0o022;

impl MasterKeys {
    /// The keys in the file `path`; a file with a new key is made when there is none.
    ///
    /// The file has mode 0600. Its folder is made with mode 0700; one that was there before may be
    /// readable by others, since the file is not, but not writable.
    ///
    /// # Errors
    /// When the file cannot be read or made, holds no key, or may be reached by others.
    pub fn load_or_create(path: &Path, rng: &dyn Rng) -> Result<Self, VaultError> {
        prepare(folder_of(path))?;
        match Self::load(path) {
            Err(VaultError::KeyFile { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let keys = Self::of(MasterKey::generate(rng));
                write(path, &keys, rng, Place::IfFree)?;
                Self::load(path)
            }
            loaded => loaded,
        }
    }

    /// The keys in the file `path`.
    ///
    /// # Errors
    /// When the file cannot be read, holds no key, or may be reached by others.
    pub fn load(path: &Path) -> Result<Self, VaultError> {
        let mut file = File::open(path).map_err(|e| failed("read", path, e))?;
        let metadata = file.metadata().map_err(|e| failed("look at", path, e))?;
        let mode = mode_of(&metadata);
        if mode & OTHERS != 0 {
            return Err(VaultError::TooOpen { path: path.into(), mode, wanted: 0o600 });
        }
        let mut text = Zeroizing::new(String::with_capacity(LONGEST));
        (&mut file)
            .take(LONGEST as u64)
            .read_to_string(&mut text)
            .map_err(|e| failed("read", path, e))?;
        Self::parse(&text).map_err(|_| VaultError::InvalidKeyFile { path: path.into() })
    }

    /// Changes the keys in the file `path`, which has all of the change or nothing of it, also after
    /// a power cut. Of several that change it at once, one goes after the other.
    ///
    /// # Errors
    /// As [`MasterKeys::load`], what `change` fails with, and when the file cannot be written.
    pub fn change<T>(
        path: &Path,
        rng: &dyn Rng,
        change: impl FnOnce(&mut Self) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        let folder = folder_of(path);
        prepare(folder)?;
        let locked = File::open(folder).and_then(|folder| folder.lock().map(|()| folder));
        let _turn = locked.map_err(|e| failed("lock", folder, e))?;
        let mut keys = Self::load(path)?;
        let changed = change(&mut keys)?;
        write(path, &keys, rng, Place::Always)?;
        Ok(changed)
    }

    /// Writes the keys into a new file.
    ///
    /// # Errors
    /// When the file is there, or cannot be written.
    pub fn save_new(&self, path: &Path, rng: &dyn Rng) -> Result<(), VaultError> {
        prepare(folder_of(path))?;
        write(path, self, rng, Place::New)
    }
}

/// Bytes of a key file that are read; it keeps a wrong file from filling the memory.
const LONGEST: usize = 4096;

/// What may stand where a key file comes to stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing; what stands there is an error.
    New,
    /// Nothing; what stands there stays.
    IfFree,
    /// Another key file, whose place it takes.
    Always,
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes the folder of a key file, or looks whether the one that is there will do.
fn prepare(folder: &Path) -> Result<(), VaultError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|source| failed("make the folder", folder, source))?;
    let mode = mode_of(&fs::metadata(folder).map_err(|e| failed("look at", folder, e))?);
    if mode & OTHERS_WRITE != 0 {
        return Err(VaultError::TooOpen { path: folder.into(), mode, wanted: 0o700 });
    }
    Ok(())
}

/// Writes the keys beside `path` and gives them that name once they are whole: two processes that
/// start at once end up with one key, and a power cut leaves a whole file or none.
fn write(path: &Path, keys: &MasterKeys, rng: &dyn Rng, place: Place) -> Result<(), VaultError> {
    let folder = folder_of(path);
    let draft = folder.join(id::time_ordered(".key-", kernel::Timestamp::default(), rng));
    let named = write_draft(&draft, keys).and_then(|()| {
        match place {
            Place::Always => fs::rename(&draft, path)?,
            Place::New => fs::hard_link(&draft, path)?,
            Place::IfFree => match fs::hard_link(&draft, path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            },
        }
        File::open(folder)?.sync_all()
    });
    // It is gone when it was given its name, or when writing it failed.
    let removed = match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    named.and(removed).map_err(|source| failed("write", path, source))
}

fn write_draft(path: &Path, keys: &MasterKeys) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(keys.to_text().as_bytes())?;
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
        let made = MasterKeys::load_or_create(&path, &SystemRng).unwrap();
        assert_eq!(mode_of(&fs::metadata(&path).unwrap()), 0o600);
        assert_eq!(mode_of(&fs::metadata(path.parent().unwrap()).unwrap()), 0o700);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left");

        let loaded = MasterKeys::load_or_create(&path, &SystemRng).unwrap();
        assert_eq!(loaded.ids().unwrap(), made.ids().unwrap());
    }

    #[test]
    fn two_that_start_at_once_have_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let begin = || {
            let keys = MasterKeys::of(MasterKey::generate(&SystemRng));
            write(&path, &keys, &SystemRng, Place::IfFree).unwrap();
            MasterKeys::load(&path).unwrap().ids().unwrap()
        };
        assert_eq!(begin(), begin());
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        MasterKeys::load_or_create(&path, &SystemRng).unwrap();
        set_mode(&path, 0o640);
        let error = MasterKeys::load_or_create(&path, &SystemRng).unwrap_err();
        assert!(matches!(error, VaultError::TooOpen { mode: 0o640, .. }));
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_folder_that_others_may_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        set_mode(folder.path(), 0o770);
        let error = MasterKeys::load_or_create(&path, &SystemRng).unwrap_err();
        assert!(error.to_string().contains("chmod 700"), "{error}");
        set_mode(folder.path(), 0o755);
        assert!(MasterKeys::load_or_create(&path, &SystemRng).is_ok());
    }

    #[test]
    fn a_file_that_holds_no_key_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        fs::write(&path, "something else").unwrap();
        set_mode(&path, 0o600);
        let error = MasterKeys::load_or_create(&path, &SystemRng).unwrap_err();
        assert!(matches!(error, VaultError::InvalidKeyFile { .. }));
        assert!(!error.to_string().contains("something else"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "something else");
    }

    #[test]
    fn a_change_is_whole_and_private_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let first = MasterKeys::load_or_create(&path, &SystemRng).unwrap().ids().unwrap();
        let second = MasterKeys::change(&path, &SystemRng, |keys| keys.rotate(&SystemRng)).unwrap();
        assert_eq!(MasterKeys::load(&path).unwrap().ids().unwrap(), [second, first[0]]);
        assert_eq!(mode_of(&fs::metadata(&path).unwrap()), 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");

        let refused = MasterKeys::change(&path, &SystemRng, |keys| {
            keys.rotate(&SystemRng)?;
            Err::<(), _>(VaultError::NotSealed)
        });
        assert!(refused.is_err());
        assert_eq!(MasterKeys::load(&path).unwrap().ids().unwrap(), [second, first[0]]);
    }

    #[test]
    fn of_changes_at_once_none_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        MasterKeys::load_or_create(&path, &SystemRng).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    MasterKeys::change(&path, &SystemRng, |keys| keys.rotate(&SystemRng)).unwrap();
                });
            }
        });
        assert_eq!(MasterKeys::load(&path).unwrap().ids().unwrap().len(), 9);
    }

    #[test]
    fn a_file_that_is_there_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let keys = MasterKeys::load_or_create(&path, &SystemRng).unwrap();
        assert!(keys.save_new(&path, &SystemRng).is_err());
        let other = folder.path().join("restored/master.key");
        keys.save_new(&other, &SystemRng).unwrap();
        assert_eq!(MasterKeys::load(&other).unwrap().ids().unwrap(), keys.ids().unwrap());
    }
}
