//! Racks: every part is in its registry line. A part that is in the folder but not in the line
//! would compile, be tested, and never be chosen.

use super::rust::shipped_lines;
use super::{Finding, Repo};

/// A rack: a folder of parts that implement one trait.
struct Rack {
    folder: &'static str,
    /// The trait.
    part: &'static str,
    /// The file with the `rack!` line.
    registry: &'static str,
}

const RACKS: &[Rack] = &[Rack {
    folder: "crates/providers/src/",
    part: "Provider",
    registry: "crates/providers/src/lib.rs",
}];

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    RACKS.iter().flat_map(|rack| rack.check(repo)).collect()
}

impl Rack {
    fn check(&self, repo: &Repo) -> Vec<Finding> {
        let Some(registry) = repo.text(self.registry) else { return Vec::new() };
        let words = words(registry);
        let parts = self.parts(repo);
        let unregistered = parts.iter().filter(|(word, ..)| !words.contains(word));
        let mut findings: Vec<_> = unregistered
            .map(|(word, path, line)| {
                let what = format!(
                    "`{word}` implements {} but is not in the `rack!` line of {}; add it there",
                    self.part, self.registry
                );
                Finding::failure(path, *line, what)
            })
            .collect();
        let line = repo.line_of(self.registry, "rack!");
        for word in words.iter().filter(|word| !parts.iter().any(|(part, ..)| part == *word)) {
            let what = format!(
                "`{word}` is in the `rack!` line, but nothing in {}{word} implements {}; \
                 write it or take the word out",
                self.folder, self.part
            );
            findings.push(Finding::failure(self.registry, line, what));
        }
        findings
    }

    /// The parts in the folder: their words, and where each implements the trait.
    fn parts<'a>(&self, repo: &'a Repo) -> Vec<(&'a str, &'a str, usize)> {
        let implements = format!("{} for ", self.part);
        let mut parts = Vec::new();
        for (path, text) in repo.files(".rs").filter(|(path, _)| *path != self.registry) {
            let Some(inside) = path.strip_prefix(self.folder) else { continue };
            let word = inside.split(['/', '.']).next().unwrap_or_default();
            let found = shipped_lines(text).find(|(_, line)| {
                line.starts_with("impl")
                    && line
                        .split_once(&implements)
                        .is_some_and(|(before, _)| before.ends_with([' ', ':']))
            });
            if let Some((line, _)) = found {
                parts.push((word, path, line));
            }
        }
        parts
    }
}

/// The words of the registry line `rack!(dyn Trait: one, two);`.
fn words(registry: &str) -> Vec<&str> {
    let call = registry
        .match_indices("\nrack!")
        .next()
        .and_then(|(at, _)| registry.get(at..))
        .and_then(|text| text.split_once(['(', '{', '[']))
        .and_then(|(_, text)| text.split([')', '}', ']']).next())
        .unwrap_or_default();
    let (_, words) = call.split_once(':').unwrap_or(("", call));
    words.split(',').map(str::trim).filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGISTRY: &str = "mod a;\n\nrack!(dyn Provider:\n    alpha,\n    beta,\n);\n";

    #[test]
    fn a_rack_with_all_its_parts_is_right() {
        let repo = Repo::of(&[
            ("crates/providers/src/lib.rs", REGISTRY),
            ("crates/providers/src/alpha.rs", "impl Provider for Alpha {}\n"),
            ("crates/providers/src/beta/mod.rs", "impl crate::Provider for Beta {}\n"),
            ("crates/providers/src/http.rs", "impl NoProvider for Pool {}\n"),
        ]);
        assert_eq!(check(&repo), []);
    }

    #[test]
    fn a_part_outside_the_line_and_a_word_without_a_part_are_found() {
        let repo = Repo::of(&[
            ("crates/providers/src/lib.rs", REGISTRY),
            ("crates/providers/src/alpha.rs", "impl Provider for Alpha {}\n"),
            ("crates/providers/src/gamma.rs", "\nimpl<T> Provider for Gamma<T> {}\n"),
        ]);
        let findings = check(&repo);
        assert_eq!(findings.len(), 2);
        assert_eq!(
            (findings[0].path.as_str(), findings[0].line),
            ("crates/providers/src/gamma.rs", 2)
        );
        assert!(findings[1].what.starts_with("`beta` is in the `rack!` line, but nothing"));
        assert_eq!(findings[1].line, 3);
    }
}
