//! Sizes of files. A file that does not fit on a few screens holds more than one idea.

use super::{Finding, Repo};

const WARN: usize = 500;
const FAIL: usize = 800;

/// Folders of material that nobody reads from end to end.
const MATERIAL: &[&str] = &["fixtures", "generated", "snapshots"];

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.files(".rs") {
        let lines = text.lines().count();
        let is_material = path.split('/').any(|part| MATERIAL.contains(&part));
        let advice = "give each idea its own file";
        if is_material {
            continue;
        } else if lines > FAIL {
            let what = format!("{lines} lines are more than {FAIL}; {advice}");
            findings.push(Finding::failure(path, lines, what));
        } else if lines > WARN {
            let what = format!("{lines} lines are more than {WARN}; {advice}");
            findings.push(Finding::warning(path, lines, what));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_warn_and_longer_ones_fail() {
        let lines = |count: usize| "x\n".repeat(count);
        let repo = Repo::of(&[
            ("a.rs", &lines(500)),
            ("b.rs", &lines(501)),
            ("c.rs", &lines(801)),
            ("tests/fixtures/d.rs", &lines(900)),
        ]);
        let findings: Vec<_> =
            check(&repo).into_iter().map(|finding| (finding.path, finding.fails)).collect();
        assert_eq!(findings, [("b.rs".to_owned(), false), ("c.rs".to_owned(), true)]);
    }
}
