//! `cargo xtask tidy`: the rules of the house that no compiler checks. One file is one check; a new
//! one is a file here and a line in `CHECKS`.

mod arrows;
mod config_docs;
mod crate_docs;
mod languages;
mod licences;
mod links;
mod markdown;
mod names;
mod outsiders;
mod purposes;
mod racks;
mod repo;
mod rust;
mod sizes;
mod unfinished;

use std::fmt;
use std::io::Write;
use std::path::Path;

use crate::Error;
pub use repo::Repo;

const CHECKS: &[fn(&Repo) -> Vec<Finding>] = &[
    arrows::check,
    config_docs::check,
    crate_docs::check,
    languages::check,
    licences::check,
    links::check,
    names::check,
    outsiders::check,
    purposes::check,
    racks::check,
    sizes::check,
    unfinished::check,
];

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, relative to the root.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// What it is, and how to mend it.
    pub what: String,
    /// Whether tidy fails because of it.
    pub fails: bool,
}

impl Finding {
    fn failure(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into(), fails: true }
    }

    fn warning(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { fails: false, ..Self::failure(path, line, what) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weight = if self.fails { "" } else { "warning: " };
        write!(f, "{}:{}: {weight}{}", self.path, self.line, self.what)
    }
}

/// Everything that is not as it should be, by file and line.
pub fn findings(repo: &Repo) -> Vec<Finding> {
    let mut findings: Vec<_> = CHECKS.iter().flat_map(|check| check(repo)).collect();
    findings.sort();
    findings
}

/// Checks the repository at `root` and prints one line per finding. `false` if one of them fails.
///
/// # Errors
/// [`Error`] when the repository cannot be read.
pub fn run(root: &Path, out: &mut dyn Write) -> Result<bool, Error> {
    let findings = findings(&Repo::read(root)?);
    for finding in &findings {
        writeln!(out, "{finding}").map_err(Error::io("print"))?;
    }
    Ok(!findings.iter().any(|finding| finding.fails))
}
