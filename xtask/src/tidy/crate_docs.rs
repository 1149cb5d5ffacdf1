//! What a crate says about itself: what it is for, what it may know, what it must never do.

use super::{Finding, Repo};

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in repo.house() {
        let folder = package.manifest_path.trim_end_matches("Cargo.toml");
        let roots = [format!("{folder}src/lib.rs"), format!("{folder}src/main.rs")];
        let Some(root) = roots.iter().find(|root| repo.has(root)) else { continue };
        let text = repo.text(root).unwrap_or_default();
        let docs: String = text
            .lines()
            .map_while(|line| line.strip_prefix("//!"))
            .flat_map(|line| [line.trim(), " "])
            .collect();
        if docs.trim().is_empty() {
            let what = "the crate says nothing about itself; begin with `//!` and what it is for";
            findings.push(Finding::failure(root, 1, what));
        } else if !docs.to_lowercase().contains("must never") {
            let what = "the crate's `//!` does not say what it must never do; \
                        add a sentence that begins with \"Must never\"";
            findings.push(Finding::failure(root, 1, what));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<Finding> {
        check(&Repo::of(&[("crates/a/src/lib.rs", text)]).with_crate("a", &[]))
    }

    #[test]
    fn a_crate_says_what_it_must_never_do() {
        assert_eq!(found("//! A thing. Must\n//! never do I/O.\n\nmod b;\n"), []);
        assert!(found("//! A thing.\n\nmod b;\n")[0].what.contains("Must never"));
        assert!(found("mod b;\n")[0].what.contains("nothing about itself"));
    }

    #[test]
    fn a_binary_is_a_crate_too() {
        let repo = Repo::of(&[("crates/a/src/main.rs", "fn main() {}")]).with_crate("a", &[]);
        assert_eq!(check(&repo)[0].path, "crates/a/src/main.rs");
    }
}
