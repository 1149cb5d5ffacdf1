//! The repository keeps its own rules.

use std::path::Path;

use xtask::tidy::{self, Repo};

#[test]
fn the_repository_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let findings = tidy::findings(&Repo::read(root).unwrap());
    let failures: Vec<String> =
        findings.iter().filter(|finding| finding.fails).map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
