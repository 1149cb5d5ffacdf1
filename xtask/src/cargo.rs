//! What cargo knows about the workspace.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::Error;

/// The part of `cargo metadata` that the chores read.
#[derive(Debug, Default, Deserialize)]
pub struct Metadata {
    /// Every package of the dependency graph, ours included.
    pub packages: Vec<Package>,
    /// Where builds go.
    pub target_directory: PathBuf,
}

/// A package.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Package {
    /// Its name in the registry.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its SPDX licence expression.
    pub license: Option<String>,
    /// Where it comes from; `None` for a package of this workspace.
    pub source: Option<String>,
    /// Its `Cargo.toml`; made relative to the root for our own packages.
    pub manifest_path: String,
    /// What it depends on.
    pub dependencies: Vec<Dependency>,
}

/// A dependency of a package.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Dependency {
    /// The package's name, whatever it is renamed to.
    pub name: String,
    /// `None` for a normal one, `dev` or `build`.
    pub kind: Option<String>,
}

impl Package {
    /// Whether it is one of ours.
    pub fn is_ours(&self) -> bool {
        self.source.is_none()
    }
}

/// A package's name inside the house: `kijun-wire` is `wire`.
pub fn short_name(package: &str) -> &str {
    package.strip_prefix("kijun-").unwrap_or(package)
}

/// Asks cargo about the workspace at `root`.
///
/// # Errors
/// [`Error::Cargo`] when cargo fails.
pub fn metadata(root: &Path) -> Result<Metadata, Error> {
    // Without a network only the packages of this platform are at hand; those of the others are
    // looked at wherever there is one.
    let everything = ask(root, &[]);
    let mut metadata = match everything {
        Ok(metadata) => metadata,
        Err(_) => ask(root, &["--offline", "--filter-platform", &host(root)?])?,
    };
    for package in metadata.packages.iter_mut().filter(|package| package.is_ours()) {
        if let Ok(relative) = Path::new(&package.manifest_path).strip_prefix(root) {
            package.manifest_path = relative.to_string_lossy().replace('\\', "/");
        }
    }
    Ok(metadata)
}

/// Builds binaries in release mode and returns the folder they are in.
///
/// # Errors
/// [`Error::Cargo`] when the build fails; cargo itself has said why.
pub fn build_release(root: &Path, packages: &[&str]) -> Result<PathBuf, Error> {
    let mut command = Command::new("cargo");
    command.current_dir(root).args(["build", "--release", "--bins"]);
    for package in packages {
        command.args(["--package", package]);
    }
    let status = command.status().map_err(Error::io("start cargo"))?;
    if !status.success() {
        return Err(Error::Cargo(format!("`cargo build --release` ended with {status}")));
    }
    Ok(metadata(root)?.target_directory.join("release"))
}

fn ask(root: &Path, more: &[&str]) -> Result<Metadata, Error> {
    let output = Command::new("cargo")
        .current_dir(root)
        .args(["metadata", "--quiet", "--format-version", "1"])
        .args(more)
        .output()
        .map_err(Error::io("start cargo"))?;
    if !output.status.success() {
        return Err(Error::Cargo(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| Error::Cargo(error.to_string()))
}

fn host(root: &Path) -> Result<String, Error> {
    let output = Command::new("rustc")
        .current_dir(root)
        .arg("-vV")
        .output()
        .map_err(Error::io("start rustc"))?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
        .ok_or_else(|| Error::Cargo("`rustc -vV` names no host".to_owned()))
}
