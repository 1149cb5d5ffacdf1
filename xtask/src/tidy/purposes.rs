//! Every dependency says what it is for, once, in the root `Cargo.toml`; members only point there.

use super::{Finding, Repo};

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.files("Cargo.toml") {
        if path == "Cargo.toml" {
            findings.extend(unexplained(path, text, "workspace.dependencies"));
        } else if text.lines().any(|line| line == "[workspace]") {
            // A workspace of its own has nowhere else to say it.
            findings.extend(unexplained(path, text, "dependencies"));
        } else {
            findings.extend(own_versions(path, text));
        }
    }
    findings
}

/// Crates of the house explain themselves, in their `//!`.
fn unexplained(path: &str, text: &str, explained_in: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut previous = "";
    for (number, line, table) in entries(text) {
        let explained = previous.starts_with("# ") || line.contains("path = ");
        if table == explained_in && is_entry(line) && !explained {
            let name = name_of(line);
            let what =
                format!("`{name}` has no purpose; say in a comment line above what it is for");
            findings.push(Finding::failure(path, number, what));
        }
        previous = line;
    }
    findings
}

fn own_versions(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line, table) in entries(text) {
        let shared = line.contains("workspace = true");
        if table.ends_with("dependencies") && is_entry(line) && !shared {
            let name = name_of(line);
            let what = format!(
                "`{name}` is not `workspace = true`; \
                 move its version to the root Cargo.toml, with its purpose"
            );
            findings.push(Finding::failure(path, number, what));
        } else if table.contains("dependencies.") && line.starts_with('[') {
            let what = format!("`[{table}]` hides a dependency; write it as one line");
            findings.push(Finding::failure(path, number, what));
        }
    }
    findings
}

/// The lines, with their numbers and the table they are in. A dependency is one line here, which
/// is what makes it easy to read and to check.
fn entries(text: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    let mut table = "";
    (1..).zip(text.lines()).map(move |(number, line)| {
        if line.starts_with('[') {
            table = line.trim_matches(['[', ']', ' ']);
        }
        (number, line, table)
    })
}

fn is_entry(line: &str) -> bool {
    line.starts_with(|first: char| first.is_alphabetic()) && line.contains('=')
}

fn name_of(line: &str) -> &str {
    line.split(['.', ' ', '=']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_without_a_purpose_is_found() {
        let text = "[workspace.dependencies]\n# The house.\na = { path = \"a\" }\n\
                    b = { path = \"b\" }\n# Bytes.\nc = \"1\"\nd = \"1\"\n[profile.dev]\ne = 1\n";
        let findings = check(&Repo::of(&[("Cargo.toml", text)]));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, 7);
        assert!(findings[0].what.starts_with("`d` has no purpose"));
    }

    #[test]
    fn a_workspace_of_its_own_explains_itself() {
        let text = "[workspace]\n[dependencies]\n# Bytes.\na = \"1\"\nb = \"1\"\n";
        let findings = check(&Repo::of(&[("fuzz/Cargo.toml", text)]));
        assert_eq!(findings.len(), 1);
        assert!(findings[0].what.starts_with("`b` has no purpose"));
    }

    #[test]
    fn members_have_no_versions_of_their_own() {
        let text = "[package]\nversion = \"1\"\n[dependencies]\na.workspace = true\n\
                    b = { workspace = true, optional = true }\nc = \"1\"\n\
                    [target.'cfg(unix)'.dev-dependencies]\nd = \"1\"\n\
                    [dependencies.e]\nversion = \"1\"\n";
        let lines: Vec<_> = check(&Repo::of(&[("crates/a/Cargo.toml", text)]))
            .into_iter()
            .map(|finding| finding.line)
            .collect();
        assert_eq!(lines, [6, 8, 9]);
    }
}
