//! Every configuration key is documented.

use super::{Finding, Repo};

const DEFAULTS: &str = "crates/server/config.default.toml";

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let Some(defaults) = repo.text(DEFAULTS) else {
        return vec![Finding::warning(DEFAULTS, 1, "is not there yet; its keys are not checked")];
    };
    let docs: Vec<&str> = repo
        .files(".md")
        .filter(|(path, _)| path.starts_with("docs/") || *path == "README.md")
        .map(|(_, text)| text)
        .collect();
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(defaults.lines()) {
        let Some(key) = key_of(line) else { continue };
        if !docs.iter().any(|text| mentions(text, key)) {
            let what = format!("the key `{key}` is in no file of docs/; describe it there");
            findings.push(Finding::failure(DEFAULTS, number, what));
        }
    }
    findings
}

/// The key that a line sets. A key without a default stands there as a comment, `# key = …`.
fn key_of(line: &str) -> Option<&str> {
    let line = line.strip_prefix("# ").or_else(|| line.strip_prefix('#')).unwrap_or(line);
    let key = line.split_once('=')?.0.trim();
    let is_key =
        key.chars().all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '_');
    (is_key && !key.is_empty()).then_some(key)
}

/// Whether a text has this word, not as part of a longer one.
fn mentions(text: &str, key: &str) -> bool {
    text.split(|one: char| !one.is_alphanumeric() && one != '_').any(|word| word == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_undocumented_key_is_found() {
        let repo = Repo::of(&[
            (DEFAULTS, "# How it listens.\n[server]\nlisten = \"a\"\n# data_dir = \"b\"\n"),
            ("docs/configuration.md", "`server.listen`: where. `data_dirs`: no.\n"),
            ("crates/server/README.md", "data_dir\n"),
        ]);
        let findings = check(&repo);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, 4);
        assert!(findings[0].what.contains("`data_dir`"));
    }

    #[test]
    fn without_defaults_it_only_says_so() {
        let findings = check(&Repo::default());
        assert_eq!(findings.len(), 1);
        assert!(!findings[0].fails);
    }
}
