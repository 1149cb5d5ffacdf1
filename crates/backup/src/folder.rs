//! Small folders of the data directory that are carried as they are: journal, checkpoints.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::BackupError;
use crate::archive::{Entry, Reader, Writer};

/// Bytes that are read at once.
const PIECE: usize = 1024 * 1024;
/// Up to where the journal is in the database. The restored node finds that out by itself: a record
/// that is there already changes nothing.
const CURSOR: &str = "cursor";

/// Carries every file of a folder, each up to the length that it had when its turn came. Returns how
/// many. A folder that is not there has none.
pub(crate) fn carry(
    out: &mut Writer<impl io::Write>,
    name: &str,
    path: &Path,
) -> Result<u64, BackupError> {
    let reading = || BackupError::io(format!("read {}", path.display()));
    let mut count = 0;
    for file in files(path).map_err(reading())? {
        // It may have gone since.
        let opened = match File::open(path.join(&file)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            opened => opened.map_err(reading())?,
        };
        let length = opened.metadata().map_err(reading())?.len();
        let mut opened = opened.take(length);
        out.entry(&Entry::File { folder: name.to_owned(), name: file })?;
        let mut piece = vec![0; PIECE];
        loop {
            let read = opened.read(&mut piece).map_err(reading())?;
            if read == 0 {
                break;
            }
            out.piece(piece.get(..read).unwrap_or_default())?;
        }
        out.end_entry()?;
        count += 1;
    }
    Ok(count)
}

/// Writes a file that was carried.
pub(crate) fn put(
    input: &mut Reader<impl io::Read>,
    root: &Path,
    folder: &str,
    name: &str,
) -> Result<(), BackupError> {
    if !is_name(folder) || !is_name(name) {
        return Err(BackupError::unsound("a file has a name that none can have"));
    }
    let path: PathBuf = root.join(folder);
    let writing = || BackupError::io(format!("write {}", path.join(name).display()));
    DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(writing())?;
    let mut options = OpenOptions::new();
    let mut file =
        options.write(true).create_new(true).mode(0o600).open(path.join(name)).map_err(writing())?;
    while let Some(piece) = input.piece()? {
        file.write_all(&piece).map_err(writing())?;
    }
    file.sync_all().map_err(writing())
}

/// The files of a folder, in the order of their names.
fn files(path: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().into_string().ok().filter(|name| is_name(name));
        if let Some(name) = name.filter(|name| name != CURSOR)
            && entry.file_type()?.is_file()
        {
            files.push(name);
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Whether this can be the name of a file, and of nothing outside its folder.
fn is_name(name: &str) -> bool {
    let usual = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !name.is_empty() && !name.starts_with('.') && name.chars().all(usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_names() {
        for name in ["1.journal", "signing.key", "org-1.jsonl", "A_b"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", ".", "..", ".draft", "a/b", "../a", "a\0", "a b", "本"] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_has_no_files() {
        let folder = tempfile::tempdir().unwrap();
        assert!(files(&folder.path().join("none")).unwrap().is_empty());
        for name in ["b", "a", ".hidden", "cursor"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        fs::create_dir(folder.path().join("c")).unwrap();
        assert_eq!(files(folder.path()).unwrap(), ["a", "b"]);
    }
}
