//! The arrows of the house: which crate may use which. They keep every room's knowledge small, so
//! that no rule can be walked around by another door.

use super::{Finding, Repo};
use crate::cargo::short_name;

/// What a crate may use, and what its tests may use besides.
struct Arrows {
    of: &'static str,
    may_use: &'static [&'static str],
    tests_too: &'static [&'static str],
}

const ARROWS: &[Arrows] = &[
    Arrows { of: "kernel", may_use: &[], tests_too: &[] },
    Arrows { of: "wire", may_use: &["kernel"], tests_too: &[] },
    Arrows { of: "vault", may_use: &["kernel", "wire"], tests_too: &[] },
    Arrows { of: "vocabulary", may_use: &[], tests_too: &[] },
    Arrows { of: "audit", may_use: &["kernel"], tests_too: &[] },
    Arrows { of: "store", may_use: &["kernel", "wire", "vault", "audit"], tests_too: &[] },
    Arrows { of: "identity", may_use: &["kernel", "wire", "store"], tests_too: &["vault"] },
    Arrows {
        of: "admission",
        may_use: &["kernel", "wire", "store", "identity"],
        tests_too: &["vault"],
    },
    Arrows { of: "counters", may_use: &["kernel", "store", "admission"], tests_too: &["vault"] },
    Arrows { of: "alerts", may_use: &["kernel", "store"], tests_too: &["vault"] },
    Arrows { of: "providers", may_use: &["kernel", "wire"], tests_too: &[] },
    Arrows {
        of: "gateway",
        may_use: &["kernel", "wire", "vocabulary", "store", "identity", "admission", "providers"],
        tests_too: &["vault"],
    },
    Arrows { of: "telemetry", may_use: &["kernel", "gateway"], tests_too: &["store", "vault"] },
    Arrows { of: "files", may_use: &["kernel", "wire", "vault", "store"], tests_too: &[] },
    Arrows { of: "backup", may_use: &["kernel", "vault", "store", "files"], tests_too: &[] },
    Arrows { of: "retention", may_use: &["kernel", "store", "files"], tests_too: &["vault"] },
    Arrows {
        of: "responses",
        may_use: &[
            "kernel",
            "wire",
            "store",
            "files",
            "identity",
            "admission",
            "providers",
            "gateway",
        ],
        tests_too: &["vault"],
    },
    Arrows {
        of: "batches",
        may_use: &[
            "kernel",
            "wire",
            "store",
            "files",
            "identity",
            "admission",
            "gateway",
            "responses",
        ],
        tests_too: &["vault", "providers"],
    },
    Arrows {
        of: "api",
        may_use: &[
            "kernel",
            "wire",
            "store",
            "files",
            "identity",
            "admission",
            "providers",
            "gateway",
            "responses",
            "batches",
            "retention",
            "alerts",
            "audit",
            "telemetry",
        ],
        tests_too: &["vault"],
    },
    Arrows {
        of: "server",
        may_use: &[
            "kernel",
            "wire",
            "vault",
            "store",
            "identity",
            "admission",
            "providers",
            "gateway",
            "files",
            "responses",
            "batches",
            "retention",
            "api",
            "alerts",
            "audit",
            "backup",
            "counters",
            "telemetry",
        ],
        tests_too: &[],
    },
    Arrows { of: "testkit", may_use: &["kernel", "wire"], tests_too: &[] },
    Arrows { of: "xtask", may_use: &[], tests_too: &[] },
];

/// Test doubles never ship, so every crate's tests may use them and nothing else may.
const FOR_TESTS: &str = "testkit";

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in repo.house() {
        let name = short_name(&package.name);
        let manifest = &package.manifest_path;
        let Some(arrows) = ARROWS.iter().find(|arrows| arrows.of == name) else {
            let what = format!(
                "the crate `{name}` has no arrows; say what it may use in xtask/src/tidy/arrows.rs"
            );
            findings.push(Finding::failure(manifest, 1, what));
            continue;
        };
        for used in &package.dependencies {
            let other = short_name(&used.name);
            let is_ours = repo.house().any(|package| package.name == used.name);
            let in_tests = used.kind.as_deref() == Some("dev");
            let allowed = arrows.may_use.contains(&other)
                || in_tests && (arrows.tests_too.contains(&other) || other == FOR_TESTS);
            if is_ours && !allowed {
                let also = if in_tests { ", nor may its tests" } else { "" };
                let may = match arrows.may_use {
                    [] => "no crate of the house".to_owned(),
                    names => names.join(", "),
                };
                let line = repo.line_of(manifest, other);
                let what = format!(
                    "`{name}` may not use `{other}`{also}: its arrows allow {may}; \
                     pass what it needs in from a crate that may use both"
                );
                findings.push(Finding::failure(manifest, line, what));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn house() -> Repo {
        Repo::of(&[("crates/wire/Cargo.toml", "[dependencies]\nstore.workspace = true\n")])
            .with_crate("kernel", &[])
            .with_crate("testkit", &[("kijun-kernel", None), ("serde", None)])
            .with_crate("vault", &[("kijun-kernel", None)])
            .with_crate("store", &[("kijun-vault", None), ("kijun-testkit", Some("dev"))])
    }

    #[test]
    fn arrows_that_point_forward_are_right() {
        let repo = house().with_crate("gateway", &[("kijun-vault", Some("dev"))]);
        assert_eq!(check(&repo), []);
    }

    #[test]
    fn an_arrow_that_points_back_is_found_at_its_line() {
        let findings = check(&house().with_crate("wire", &[("kijun-store", None)]));
        assert_eq!(findings.len(), 1);
        assert_eq!((findings[0].path.as_str(), findings[0].line), ("crates/wire/Cargo.toml", 2));
        assert!(
            findings[0].what.starts_with("`wire` may not use `store`: its arrows allow kernel")
        );
    }

    #[test]
    fn what_tests_may_use_may_not_ship() {
        let repo = house()
            .with_crate("gateway", &[("kijun-vault", None)])
            .with_crate("api", &[("kijun-testkit", None)]);
        assert_eq!(check(&repo).len(), 2);
    }

    #[test]
    fn a_new_crate_needs_arrows() {
        let findings = check(&house().with_crate("attic", &[]));
        assert!(findings[0].what.contains("`attic` has no arrows"));
    }
}
