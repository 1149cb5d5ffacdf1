//! Reading Rust without a parser, as far as the checks need it.

/// The lines of code that ship, with their numbers: comments and the tests at the end are left out.
pub(super) fn shipped_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..)
        .zip(text.lines())
        .take_while(|(_, line)| !line.starts_with("mod tests"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// The crate's folder that a file lies in: `crates/wire` of `crates/wire/src/sse.rs`.
pub(super) fn crate_of(path: &str) -> Option<&str> {
    let end = path.find("/src/").or_else(|| path.find("/tests/"))?;
    path.get(..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_tests_do_not_ship() {
        let text = "//! a\nuse b;\n    // c\nfn d() {}\n#[cfg(test)]\nmod tests {\n    use e;\n}\n";
        let lines: Vec<_> = shipped_lines(text).collect();
        assert_eq!(lines, [(2, "use b;"), (4, "fn d() {}"), (5, "#[cfg(test)]")]);
    }

    #[test]
    fn a_file_belongs_to_a_crate() {
        assert_eq!(crate_of("crates/wire/src/a/b.rs"), Some("crates/wire"));
        assert_eq!(crate_of("xtask/tests/it/main.rs"), Some("xtask"));
        assert_eq!(crate_of("README.md"), None);
    }
}
