//! Links of Markdown files to files of the repository lead somewhere.

use super::{Finding, Repo, markdown};

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.files(".md") {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (line, prose) in markdown::prose(text) {
            for link in links(&prose) {
                if !resolve(folder, link).is_some_and(|target| repo.has(&target)) {
                    let what =
                        format!("the link to `{link}` leads nowhere; mend its path or remove it");
                    findings.push(Finding::failure(path, line, what));
                }
            }
        }
    }
    findings
}

/// The relative paths that a line links to, without their fragments.
fn links(line: &str) -> Vec<&str> {
    let inline = line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    let definition = line
        .strip_prefix('[')
        .and_then(|line| line.split_once("]: "))
        .and_then(|(_, target)| target.split_whitespace().next());
    inline
        .chain(definition)
        .map(|link| link.trim_matches(['<', '>']))
        .filter(|link| !link.contains(':') && !link.starts_with("//"))
        .filter_map(|link| link.split('#').next())
        .filter(|link| !link.is_empty())
        .collect()
}

/// The path from the root; `None` if it leaves the repository.
fn resolve(folder: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = match link.strip_prefix('/') {
        Some(_) => Vec::new(),
        None => folder.split('/').filter(|part| !part.is_empty()).collect(),
    };
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_lead_nowhere_are_found() {
        let repo = Repo::of(&[
            ("README.md", "[a](docs/a.md) [b](docs/b.md \"title\")\n\n[c]: LICENSE\n[d]: NOTICE\n"),
            ("docs/a.md", "[up](../README.md#first) ![x](./x.svg) [out](../../etc)\n"),
            ("LICENSE", ""),
        ]);
        let findings: Vec<_> =
            check(&repo).into_iter().map(|finding| (finding.path, finding.line)).collect();
        let expected = [("README.md", 1), ("README.md", 4), ("docs/a.md", 1), ("docs/a.md", 1)];
        assert_eq!(findings, expected.map(|(path, line)| (path.to_owned(), line)));
    }

    #[test]
    fn addresses_anchors_and_code_are_left_alone() {
        let text = "[a](https://b.example/c) [d](#e) [f](mailto:g@h.example) `[i](j)`\n\
                    ```\n[k](l)\n```\n";
        assert_eq!(check(&Repo::of(&[("README.md", text)])), []);
    }
}
