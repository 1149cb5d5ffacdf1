//! Reading Markdown without a parser, as far as the checks need it.

/// The lines outside code blocks, with their numbers and without inline code.
pub(super) fn prose(text: &str) -> Vec<(usize, String)> {
    let mut fenced = false;
    let mut prose = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if is_fence(line) {
            fenced = !fenced;
        } else if !fenced {
            prose.push((number, line.split('`').step_by(2).collect()));
        }
    }
    prose
}

/// How many headings and how many code blocks there are.
pub(super) fn shape(text: &str) -> (usize, usize) {
    let headings = prose(text).iter().filter(|(_, line)| is_heading(line)).count();
    (headings, text.lines().filter(|line| is_fence(line)).count() / 2)
}

fn is_fence(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("```") || line.starts_with("~~~")
}

fn is_heading(line: &str) -> bool {
    let text = line.trim_start_matches('#');
    text.len() < line.len() && text.starts_with(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_no_prose() {
        let text = "a `b` c\n```sh\n# d\n```\ne\n";
        assert_eq!(prose(text), [(1, "a  c".to_owned()), (5, "e".to_owned())]);
    }

    #[test]
    fn headings_and_blocks_are_counted() {
        assert_eq!(shape("# a\n## b\n#c\n```sh\n# d\n```\n~~~\n~~~\n"), (2, 2));
    }
}
