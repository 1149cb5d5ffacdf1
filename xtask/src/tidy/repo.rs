//! The repository as the checks see it: in memory, so that a test can write one down.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::Error;
use crate::cargo::{self, Package};

/// The files of the repository and the packages it is built from.
#[derive(Debug, Default)]
pub struct Repo {
    files: BTreeMap<String, String>,
    /// Every package of the dependency graph.
    pub packages: Vec<Package>,
}

impl Repo {
    /// Reads the repository at `root`.
    ///
    /// # Errors
    /// [`Error`] when a file cannot be read or cargo fails.
    pub fn read(root: &Path) -> Result<Self, Error> {
        let ignored = fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
        let ignored: Vec<&str> = ignored.lines().map(|line| line.trim_matches('/')).collect();
        let mut files = BTreeMap::new();
        walk(root, "", &ignored, &mut files)?;
        Ok(Self { files, packages: cargo::metadata(root)?.packages })
    }

    /// The files whose name ends so, with their text.
    pub fn files<'a>(&'a self, ending: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.files
            .iter()
            .filter(move |(path, _)| path.ends_with(ending))
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// A file's text.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Whether there is such a file, or a folder with a file in it.
    pub fn has(&self, path: &str) -> bool {
        let folder = if path.is_empty() { String::new() } else { format!("{path}/") };
        self.files.contains_key(path) || self.files.keys().any(|file| file.starts_with(&folder))
    }

    /// Our own packages.
    pub fn house(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.is_ours())
    }

    /// The first line of a file that starts so, from 1; 1 if there is none.
    pub fn line_of(&self, path: &str, start: &str) -> usize {
        let text = self.text(path).unwrap_or_default();
        text.lines().position(|line| line.starts_with(start)).map_or(1, |line| line + 1)
    }
}

/// Texts that checks read are kept; of everything else only the name.
fn walk(
    root: &Path,
    folder: &str,
    ignored: &[&str],
    files: &mut BTreeMap<String, String>,
) -> Result<(), Error> {
    let entries = fs::read_dir(root.join(folder)).map_err(Error::io(format!("list {folder}/")))?;
    for entry in entries {
        let entry = entry.map_err(Error::io(format!("list {folder}/")))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        if name == ".git" || ignored.iter().any(|ignored| *ignored == name || *ignored == path) {
            continue;
        }
        let kind = entry.file_type().map_err(Error::io(format!("look at {path}")))?;
        if kind.is_dir() {
            walk(root, &path, ignored, files)?;
        } else if [".rs", ".md", ".toml"].iter().any(|ending| name.ends_with(ending)) {
            let text =
                fs::read_to_string(entry.path()).map_err(Error::io(format!("read {path}")))?;
            files.insert(path, text);
        } else {
            files.insert(path, String::new());
        }
    }
    Ok(())
}

#[cfg(test)]
impl Repo {
    /// A repository of these files.
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let own = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        Self { files: files.iter().map(own).collect(), packages: Vec::new() }
    }

    /// Adds a crate of the house that depends on these packages, each with its kind.
    pub(super) fn with_crate(mut self, name: &str, uses: &[(&str, Option<&str>)]) -> Self {
        self.packages.push(Package {
            name: format!("kijun-{name}"),
            manifest_path: format!("crates/{name}/Cargo.toml"),
            dependencies: uses
                .iter()
                .map(|(name, kind)| cargo::Dependency {
                    name: (*name).to_owned(),
                    kind: kind.map(str::to_owned),
                })
                .collect(),
            ..Package::default()
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_there_when_a_file_is_in_it() {
        let repo = Repo::of(&[("docs/a.md", "")]);
        assert!(repo.has("docs") && repo.has("docs/a.md") && repo.has(""));
        assert!(!repo.has("doc") && !repo.has("docs/b.md"));
    }

    #[test]
    fn reading_leaves_out_what_git_ignores() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(".gitignore", "/target\nnode_modules\n");
        write("target/a.md", "built");
        write("web/node_modules/b.md", "fetched");
        write("web/c.md", "ours");
        write("web/d.bin", "bytes");
        let mut files = BTreeMap::new();
        walk(root.path(), "", &["target", "node_modules"], &mut files).unwrap();
        assert_eq!(files.keys().collect::<Vec<_>>(), [".gitignore", "web/c.md", "web/d.bin"]);
        assert_eq!(files["web/c.md"], "ours");
    }
}
