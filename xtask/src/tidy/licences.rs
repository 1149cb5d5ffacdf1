//! Licences and origins of everything we build from. Kijun is Apache-2.0 and is given away as a
//! binary, so each dependency must allow that without conditions on the whole.

use super::{Finding, Repo};

const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &repo.packages {
        let (name, version) = (&package.name, &package.version);
        let wrong = match package.license.as_deref() {
            None => Some("has no licence expression".to_owned()),
            Some(licence) if !allows(licence) => Some(format!("is licensed as `{licence}`")),
            Some(_) => None,
        };
        let path = if package.is_ours() { &package.manifest_path } else { "Cargo.lock" };
        let line = repo.line_of("Cargo.lock", &format!("name = \"{name}\""));
        if let Some(wrong) = wrong {
            let what = format!(
                "{name} {version} {wrong}; replace it, or allow its licence in \
                 xtask/src/tidy/licences.rs after reading it"
            );
            findings.push(Finding::failure(path, line, what));
        }
        if package.source.as_deref().is_some_and(|source| !source.starts_with("registry+")) {
            let what =
                format!("{name} {version} is not from the registry; use a published version");
            findings.push(Finding::failure(path, line, what));
        }
    }
    findings
}

/// Whether an SPDX expression can be met with allowed licences alone.
fn allows(expression: &str) -> bool {
    // Older manifests write `MIT/Apache-2.0` where SPDX says OR.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let allowed = either(&mut words);
    allowed && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn either(words: &mut Words<'_>) -> bool {
    let mut allowed = both(words);
    while words.next_if_eq(&"OR").is_some() {
        allowed |= both(words);
    }
    allowed
}

fn both(words: &mut Words<'_>) -> bool {
    let mut allowed = one(words);
    while words.next_if_eq(&"AND").is_some() {
        allowed &= one(words);
    }
    allowed
}

fn one(words: &mut Words<'_>) -> bool {
    match words.next() {
        Some("(") => {
            let allowed = either(words);
            allowed && words.next() == Some(")")
        }
        Some(licence) => match words.next_if_eq(&"WITH") {
            Some(_) => {
                let exception = words.next().unwrap_or_default();
                ALLOWED.contains(&format!("{licence} WITH {exception}").as_str())
            }
            None => ALLOWED.contains(&licence),
        },
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cargo::Package;

    #[test]
    fn expressions_are_understood() {
        for allowed in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "ISC AND (Apache-2.0 OR ISC)",
            "(MIT OR AGPL-3.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
        ] {
            assert!(allows(allowed), "{allowed}");
        }
        for refused in [
            "",
            "AGPL-3.0-only",
            "MIT AND GPL-3.0",
            "(MIT OR ISC) AND GPL-3.0",
            "GPL-2.0 WITH Classpath-exception-2.0",
            "MIT WITH strings-attached",
            "(MIT",
            "MIT ISC",
        ] {
            assert!(!allows(refused), "{refused}");
        }
    }

    #[test]
    fn unlicensed_copyleft_and_git_packages_are_found() {
        let package = |licence: Option<&str>, source: &str| Package {
            name: "a".to_owned(),
            license: licence.map(str::to_owned),
            source: Some(source.to_owned()),
            ..Package::default()
        };
        let mut repo = Repo::default();
        repo.packages = vec![
            package(Some("MIT"), "registry+https://index.example"),
            package(None, "registry+https://index.example"),
            package(Some("AGPL-3.0"), "registry+https://index.example"),
            package(Some("MIT"), "git+https://forge.example/a"),
        ];
        let whats: Vec<_> = check(&repo).into_iter().map(|finding| finding.what).collect();
        assert_eq!(whats.len(), 3);
        assert!(whats[0].contains("no licence") && whats[1].contains("AGPL"));
        assert!(whats[2].contains("not from the registry"));
    }
}
