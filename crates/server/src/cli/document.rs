//! What `put` reads: a JSON document, from a file or from standard input.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use api::problem::Problem;
use clap::Args;

use super::Failed;

#[derive(Debug, Args)]
pub(super) struct Document {
    /// The JSON document that the API takes: a file, or - for standard input.
    #[arg(long = "json", value_name = "FILE")]
    file: PathBuf,
}

impl Document {
    /// What it says, read by the API's own reader.
    pub(super) fn read<T>(&self, reader: fn(&[u8]) -> Result<T, Problem>) -> Result<T, Failed> {
        let place = match self.is_stdin() {
            true => "standard input".to_owned(),
            false => self.file.display().to_string(),
        };
        let bytes = self.bytes().map_err(|error| {
            Failed::new(format!(
                "{place} cannot be read: {error}; give a file, or - for standard input"
            ))
        })?;
        reader(&bytes).map_err(|problem| Failed::new(format!("{place}: {}", problem.message())))
    }

    fn is_stdin(&self) -> bool {
        self.file == Path::new("-")
    }

    fn bytes(&self) -> std::io::Result<Vec<u8>> {
        if !self.is_stdin() {
            return std::fs::read(&self.file);
        }
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// `add` wipes nothing: what it cannot say would be lost of the entry that is there.
pub(super) fn already_there(what: &str, name: &str) -> Failed {
    Failed::new(format!(
        "{what} `{name}` exists already; replace it whole with `kijun {what}s put --json FILE`, or \
         remove it first with `kijun {what}s remove {name}`"
    ))
}
