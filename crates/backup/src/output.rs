//! Where a backup goes: a file that appears once it is whole, or a pipe.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::BackupError;

/// A backup on its way to its place. Dropped before it is finished, it leaves no file.
pub struct Output {
    out: BufWriter<Box<dyn Write + Send>>,
    file: Option<Draft>,
}

struct Draft {
    file: File,
    draft: PathBuf,
    place: PathBuf,
    finished: bool,
}

impl Output {
    /// A file under this name, readable by its owner alone.
    ///
    /// # Errors
    /// When there is one of this name, or it cannot be made.
    pub fn file(place: &Path) -> Result<Self, BackupError> {
        let failed = || BackupError::io(format!("write {}", place.display()));
        if place.exists() {
            return Err(failed()(io::ErrorKind::AlreadyExists.into()));
        }
        let mut name = place.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let draft = place.with_file_name(name);
        let mut options = OpenOptions::new();
        // What a backup left behind that was broken off is of no use.
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(&draft).map_err(failed())?;
        let out: Box<dyn Write + Send> = Box::new(file.try_clone().map_err(failed())?);
        let file = Draft { file, draft, place: place.to_owned(), finished: false };
        Ok(Self { out: BufWriter::new(out), file: Some(file) })
    }

    /// Whatever takes bytes, such as a pipe.
    pub fn stream(out: impl Write + Send + 'static) -> Self {
        Self { out: BufWriter::new(Box::new(out)), file: None }
    }

    /// Makes the backup last, and the file appear.
    ///
    /// # Errors
    /// When it cannot be written whole.
    pub fn finish(mut self) -> Result<(), BackupError> {
        self.out.flush().map_err(BackupError::io("write the backup"))?;
        let Some(draft) = &mut self.file else { return Ok(()) };
        let finish = || {
            draft.file.sync_all()?;
            // Somebody may have put one there meanwhile: a link, unlike a rename, takes no place.
            fs::hard_link(&draft.draft, &draft.place)?;
            fs::remove_file(&draft.draft)?;
            let folder = draft.place.parent().filter(|path| !path.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        };
        finish().map_err(BackupError::io(format!("write {}", draft.place.display())))?;
        draft.finished = true;
        Ok(())
    }
}

impl Write for Output {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.out.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.finished {
            // It may be gone already; then there is nothing left to do.
            let _ = fs::remove_file(&self.draft);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_appears_once_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kijun.backup");
        let mut output = Output::file(&path).unwrap();
        output.write_all(b"half").unwrap();
        assert!(!path.exists());
        drop(output);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "no half is left");

        let mut output = Output::file(&path).unwrap();
        output.write_all(b"whole").unwrap();
        output.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(Output::file(&path).is_err(), "a backup is not written over");
    }
}
