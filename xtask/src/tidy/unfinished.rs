//! Marks of unfinished work. What is left to do belongs in the issues, not in the house.

use super::{Finding, Repo, markdown};

// Put together here, so that this file does not find itself.
const MARKS: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("to", "do!"),
    concat!("un", "implemented!"),
];

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.files(".rs") {
        findings.extend((1..).zip(text.lines()).filter_map(|(line, text)| find(path, line, text)));
    }
    for (path, text) in repo.files(".md") {
        let prose = markdown::prose(text);
        findings.extend(prose.iter().filter_map(|(line, text)| find(path, *line, text)));
    }
    findings
}

fn find(path: &str, line: usize, text: &str) -> Option<Finding> {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    let marked = |mark: &&&str| {
        text.match_indices(**mark).any(|(at, found)| {
            let before = text.get(..at).and_then(|text| text.chars().next_back());
            let after = text.get(at + found.len()..).and_then(|text| text.chars().next());
            !before.is_some_and(is_word) && (mark.ends_with('!') || !after.is_some_and(is_word))
        })
    };
    let mark = MARKS.iter().find(marked)?;
    let what = format!("`{mark}` marks unfinished work; finish it, or open an issue");
    Some(Finding::failure(path, line, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_in_code_and_prose() {
        let code = format!("fn a() {{\n    {}()\n}}\n", MARKS[3]);
        let prose = format!("{}: write\n\n`{}` is what we never write\n", MARKS[0], MARKS[0]);
        let repo = Repo::of(&[("a.rs", &code), ("b.md", &prose)]);
        let findings: Vec<_> =
            check(&repo).into_iter().map(|finding| (finding.path, finding.line)).collect();
        assert_eq!(findings, [("a.rs".to_owned(), 2), ("b.md".to_owned(), 1)]);
    }

    #[test]
    fn parts_of_words_are_no_marks() {
        let repo = Repo::of(&[("a.rs", &format!("{}S my_{}", MARKS[0], MARKS[2]))]);
        assert_eq!(check(&repo), []);
    }
}
