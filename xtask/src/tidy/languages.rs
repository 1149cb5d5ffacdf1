//! The README speaks English and Japanese, and says the same in both.

use super::{Finding, Repo, markdown};

const ENGLISH: &str = "README.md";
const JAPANESE: &str = "README.ja.md";

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let missing = [ENGLISH, JAPANESE].into_iter().filter(|path| !repo.has(path));
    let mut findings: Vec<_> =
        missing.map(|path| Finding::failure(path, 1, "is missing; write it")).collect();
    if let (Some(english), Some(japanese)) = (repo.text(ENGLISH), repo.text(JAPANESE)) {
        let (headings, blocks) = markdown::shape(english);
        let (headings_ja, blocks_ja) = markdown::shape(japanese);
        for (what, count, count_ja) in
            [("headings", headings, headings_ja), ("code blocks", blocks, blocks_ja)]
        {
            if count != count_ja {
                let what = format!(
                    "has {count_ja} {what}, {ENGLISH} has {count}; bring both to the same content"
                );
                findings.push(Finding::failure(JAPANESE, 1, what));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_have_the_same_shape() {
        let text = "# a\n```\n```\n";
        assert_eq!(check(&Repo::of(&[(ENGLISH, text), (JAPANESE, text)])), []);
        let findings = check(&Repo::of(&[(ENGLISH, text), (JAPANESE, "# a\n## b\n")]));
        assert_eq!(findings.len(), 2);
        assert!(findings[0].what.starts_with("has 2 headings, README.md has 1"));
    }

    #[test]
    fn neither_may_be_missing() {
        assert_eq!(check(&Repo::default()).len(), 2);
    }
}
