//! `cargo xtask audit`: what we are built from, beyond what `tidy` says of licences and origins.
//! One stack for TLS, one allocator, no more packages than somebody has thought about, and no known
//! hole as far as that can be found out here.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Error;
use crate::cargo::{self, Package};

/// Packages of all platforms at most. Raise it together with the dependency that needs it.
const MOST_PACKAGES: usize = 560;

/// What must not be there, and what is there in its place.
const REPLACED: &[(&str, &str)] = &[
    ("openssl", "rustls"),
    ("openssl-sys", "rustls"),
    ("boring", "rustls"),
    ("native-tls", "rustls"),
    ("rustls-openssl", "aws-lc-rs"),
    ("jemallocator", "mimalloc"),
    ("tikv-jemallocator", "mimalloc"),
    ("snmalloc-rs", "mimalloc"),
    ("rpmalloc", "mimalloc"),
    ("tcmalloc", "mimalloc"),
];

/// What may be there once: two versions would hold two sets of connections, keys or threads.
const ONCE: &[&str] = &[
    "aws-lc-rs",
    "aws-lc-sys",
    "hyper",
    "mimalloc",
    "rustls",
    "rustls-webpki",
    "sqlx",
    "tokio",
    "tokio-rustls",
    "tracing",
];

/// Prints one line per finding, and one that sums up. `false` if there is a finding.
///
/// # Errors
/// [`Error`] when cargo fails or nothing can be printed.
pub fn run(root: &Path, out: &mut dyn Write) -> Result<bool, Error> {
    let packages = cargo::metadata(root)?.packages;
    let findings = findings(&packages);
    let mut say = |line: &str| writeln!(out, "{line}").map_err(Error::io("print"));
    for finding in &findings {
        say(finding)?;
    }
    let count = packages.len();
    let known = advisories(root)?;
    match &known {
        Advisories::None => say(&format!("{count} packages, none with a known advisory"))?,
        Advisories::Some(said) => say(said)?,
        Advisories::Unknown => say(&format!(
            "{count} packages; NOT CHECKED against the RustSec advisories: `cargo audit` or its \
             database is not to be had here"
        ))?,
    }
    Ok(findings.is_empty() && !matches!(known, Advisories::Some(_)))
}

fn findings(packages: &[Package]) -> Vec<String> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in packages {
        versions.entry(&package.name).or_default().push(&package.version);
    }
    let mut findings = Vec::new();
    for (name, instead) in REPLACED {
        if versions.contains_key(name) {
            findings.push(format!("{name} is there beside {instead}; leave its feature out"));
        }
    }
    for name in ONCE {
        if let Some(found @ [_, _, ..]) = versions.get(name).map(Vec::as_slice) {
            let found = found.join(" and ");
            findings.push(format!("{name} is there as {found}; bring its users to one version"));
        }
    }
    if packages.len() > MOST_PACKAGES {
        findings.push(format!(
            "{} packages are more than {MOST_PACKAGES}; do without one, or raise the bound in \
             xtask/src/audit.rs and say why",
            packages.len()
        ));
    }
    findings
}

/// What the RustSec database says.
enum Advisories {
    None,
    Some(String),
    Unknown,
}

fn advisories(root: &Path) -> Result<Advisories, Error> {
    let asked = Command::new("cargo")
        .current_dir(root)
        .args(["audit", "--json", "--deny", "yanked"])
        .stderr(Stdio::null())
        .output()
        .map_err(Error::io("start cargo"))?;
    // Without the tool or its database there is no report.
    let Ok(report) = serde_json::from_slice::<serde_json::Value>(&asked.stdout) else {
        return Ok(Advisories::Unknown);
    };
    if asked.status.success() {
        return Ok(Advisories::None);
    }
    let listed = report.pointer("/vulnerabilities/list").and_then(|list| list.as_array());
    let ids = listed.into_iter().flatten().filter_map(|found| {
        let id = found.pointer("/advisory/id")?.as_str()?;
        let package = found.pointer("/package/name")?.as_str()?;
        Some(format!("{package}: {id}"))
    });
    let said: Vec<String> = ids.collect();
    Ok(Advisories::Some(match said.as_slice() {
        [] => "`cargo audit` finds yanked packages; run it to see which".to_owned(),
        said => said.join("\n"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str) -> Package {
        Package { name: name.to_owned(), version: version.to_owned(), ..Package::default() }
    }

    #[test]
    fn a_second_stack_is_found() {
        let sound = [package("rustls", "0.23.0"), package("syn", "1.0.0"), package("syn", "2.0.0")];
        assert!(findings(&sound).is_empty());
        let twice = [package("rustls", "0.23.0"), package("rustls", "0.24.0")];
        assert_eq!(
            findings(&twice),
            ["rustls is there as 0.23.0 and 0.24.0; bring its users to one version"]
        );
        let other = [package("rustls", "0.23.0"), package("openssl", "0.10.0")];
        assert!(findings(&other)[0].starts_with("openssl is there beside rustls"));
    }

    #[test]
    fn too_many_are_noticed() {
        let many: Vec<_> =
            (0..=MOST_PACKAGES).map(|n| package(&format!("a{n}"), "1.0.0")).collect();
        assert_eq!(findings(&many).len(), 1);
        assert_eq!(findings(&many[1..]).len(), 0);
    }
}
