//! Names of files. A drawer called "utils" fills with whatever had no name of its own.

use super::{Finding, Repo};

const DRAWERS: &[&str] =
    &["common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"];

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, _) in repo.files(".rs") {
        let words = path.trim_end_matches(".rs").split(['/', '_', '-']);
        for word in words.filter(|word| DRAWERS.contains(word)) {
            let what = format!("`{word}` says nothing; name the file after the idea it holds");
            findings.push(Finding::failure(path, 1, what));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawers_are_found_in_files_and_folders() {
        let repo = Repo::of(&[
            ("crates/a/src/utils.rs", ""),
            ("crates/a/tests/common/mod.rs", ""),
            ("crates/a/src/key_manager.rs", ""),
            ("crates/a/src/commonplace.rs", ""),
        ]);
        assert_eq!(check(&repo).len(), 3);
    }
}
