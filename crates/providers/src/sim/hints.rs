//! What a message offers as arguments: its numbers, its quotations, its names, its words.

/// Values found in a message. Numbers, quotations and names are used up in the order in which
/// they stand.
#[derive(Debug, Default)]
pub(super) struct Hints {
    numbers: Vec<f64>,
    quotations: Vec<String>,
    names: Vec<String>,
    words: Vec<String>,
}

impl Hints {
    /// Reads a message.
    pub(super) fn of(message: &str) -> Self {
        Self {
            numbers: numbers(message),
            quotations: quotations(message),
            names: names(message),
            words: words(message).map(str::to_lowercase).collect(),
        }
    }

    /// The next number that fits.
    pub(super) fn number(&mut self, fits: impl Fn(f64) -> bool) -> Option<f64> {
        let at = self.numbers.iter().position(|number| fits(*number))?;
        Some(self.numbers.remove(at))
    }

    /// The next quotation that fits, or else the next name.
    pub(super) fn text(&mut self, fits: impl Fn(&str) -> bool) -> Option<String> {
        for texts in [&mut self.quotations, &mut self.names] {
            if let Some(at) = texts.iter().position(|text| fits(text)) {
                return Some(texts.remove(at));
            }
        }
        None
    }

    /// Whether the message holds this word, in any case.
    pub(super) fn mentions(&self, word: &str) -> bool {
        let word = word.to_lowercase();
        self.words.contains(&word)
    }

    /// All quotations that are left.
    pub(super) fn quotations(&self) -> &[String] {
        &self.quotations
    }
}

/// Words as identifiers are written, so that `magic_function(3)` holds `magic_function`.
fn words(message: &str) -> impl Iterator<Item = &str> {
    message
        .split(|char: char| !char.is_alphanumeric() && char != '_' && char != '-')
        .filter(|word| !word.is_empty())
}

fn numbers(message: &str) -> Vec<f64> {
    message
        .split(|char: char| !char.is_alphanumeric() && !"_-.".contains(char))
        .filter_map(|word| word.trim_end_matches(['.', '-']).parse().ok())
        .filter(|number: &f64| number.is_finite())
        .collect()
}

/// Texts in quotation marks. An apostrophe inside a word opens nothing.
fn quotations(message: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = message;
    let mut before = ' ';
    while let Some(char) = rest.chars().next() {
        rest = rest.split_at(char.len_utf8()).1;
        let close = match char {
            '"' | '\'' | '`' if !before.is_alphanumeric() => char,
            '“' => '”',
            '「' => '」',
            _ => {
                before = char;
                continue;
            }
        };
        before = char;
        let end = rest.char_indices().find(|(at, char)| {
            let next = rest.get(at + char.len_utf8()..).and_then(|rest| rest.chars().next());
            *char == close && !next.is_some_and(|next| close == '\'' && next.is_alphanumeric())
        });
        if let Some((end, _)) = end.filter(|(end, _)| *end > 0) {
            let (quoted, after) = rest.split_at(end);
            found.push(quoted.to_owned());
            rest = after.split_at(close.len_utf8()).1;
            before = close;
        }
    }
    found
}

/// Runs of capitalised words, such as `San Francisco, CA`. The first word of a sentence begins
/// none, since it is capitalised anyway.
fn names(message: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut run = String::new();
    let mut sentence_begins = true;
    for word in message.split_whitespace() {
        let bare = word.trim_matches(|char: char| !char.is_alphanumeric());
        let capital = bare.len() > 1 && bare.starts_with(char::is_uppercase) && !sentence_begins;
        if capital {
            if !run.is_empty() {
                run.push(' ');
            }
            run.push_str(word.trim_start_matches(|char: char| !char.is_alphanumeric()));
        }
        sentence_begins = word.ends_with(['.', '?', '!', ':']);
        if !capital || sentence_begins {
            found.extend(finished(&mut run));
        }
    }
    found.extend(finished(&mut run));
    found
}

fn finished(run: &mut String) -> Option<String> {
    let run = std::mem::take(run);
    let name = run.trim_end_matches(|char: char| !char.is_alphanumeric());
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_alone() {
        assert_eq!(
            numbers("magic_function(3), -4.5 and 10. Not a1, v2_3 or nan"),
            [3.0, -4.5, 10.0]
        );
    }

    #[test]
    fn quotations_are_not_apostrophes() {
        let found = quotations(
            "It's 'setup' and \"a 'b' c\", “é” 「你好」 `x` and the dog's bone's 'it's'",
        );
        assert_eq!(found, ["setup", "a 'b' c", "é", "你好", "x", "it's"]);
        assert!(quotations("what's my sister's colour? '").is_empty());
    }

    #[test]
    fn names_are_capitalised_runs_inside_sentences() {
        let found = names("What is the weather in San Francisco, CA? Ask Bob (Smith). I did");
        assert_eq!(found, ["San Francisco, CA", "Bob Smith"]);
    }

    #[test]
    fn values_are_used_up_in_order() {
        let mut hints = Hints::of("Add 1 and 2 for 'x' in Rome.");
        assert_eq!(hints.number(|number| number > 1.5), Some(2.0));
        assert_eq!(hints.number(|_| true), Some(1.0));
        assert_eq!(hints.number(|_| true), None);
        assert_eq!(hints.text(|_| true).as_deref(), Some("x"));
        assert_eq!(hints.text(|_| true).as_deref(), Some("Rome"));
        assert!(hints.mentions("ADD") && !hints.mentions("subtract"));
    }
}
