//! Records that the database does not take, put aside so that the rest goes on: a line of JSON for
//! each, with the reason, for an operator to look at.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use kernel::CallRecord;
use serde::Serialize;

/// The file's name in the journal's folder.
pub(super) const FILE: &str = "aside.jsonl";

#[derive(Serialize)]
struct Aside<'a> {
    reason: &'a str,
    record: &'a CallRecord,
}

/// Puts one record aside. It is on the disk when this returns.
pub(super) fn put(folder: &Path, record: &CallRecord, reason: &str) -> io::Result<()> {
    let mut line = serde_json::to_vec(&Aside { reason, record })?;
    line.push(b'\n');
    let mut file =
        OpenOptions::new().create(true).append(true).mode(0o600).open(folder.join(FILE))?;
    file.write_all(&line)?;
    file.sync_data()
}

/// How many records lie aside.
pub(super) fn count(folder: &Path) -> io::Result<u64> {
    match std::fs::read(folder.join(FILE)) {
        Ok(bytes) => Ok(bytes.iter().filter(|byte| **byte == b'\n').count() as u64),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}
