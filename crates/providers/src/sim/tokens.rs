//! The sim's own tokens: a word of at most eight characters with the white space before it. They
//! are no model's vocabulary, only plain enough that anyone can count them by hand.

use serde_json::{Value, json};

/// Characters of a word that make one token; the rest of the word begins the next one.
const LONGEST: usize = 8;

/// The tokens of a text. Put together again they are the text, byte by byte.
pub(super) fn tokens(text: &str) -> Tokens<'_> {
    Tokens { rest: text }
}

/// How many tokens a text has.
pub(super) fn count(text: &str) -> u64 {
    tokens(text).map(|_| 1).sum()
}

/// The text's first `most` tokens.
pub(super) fn first(text: &str, most: u64) -> &str {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let bytes = tokens(text).take(most).map(str::len).sum();
    text.get(..bytes).unwrap_or(text)
}

/// A made-up log probability between -2 and 0, always the same for the same token.
pub(super) fn logprob(token: &str) -> f64 {
    let thousandths = u32::try_from(hash(token.as_bytes()) % 2_000).unwrap_or(0);
    -f64::from(thousandths) / 1_000.0
}

/// Tokens that might have come instead, each less likely than the one before. Their names show
/// that nobody weighed them.
pub(super) fn alternatives(token: &str) -> impl Iterator<Item = (String, f64)> {
    let chosen = logprob(token);
    (1..=20u32).map(move |rank| (format!("~{rank}"), chosen - f64::from(rank) / 2.0))
}

/// A chat answer's entry for one token: OpenAI's `ChatCompletionTokenLogprob`.
pub(super) fn token_logprob(token: &str, top: usize) -> Value {
    let mut chosen = entry(token, logprob(token));
    let likeliest: Vec<Value> = std::iter::once((token.to_owned(), logprob(token)))
        .chain(alternatives(token))
        .take(top)
        .map(|(token, logprob)| entry(&token, logprob))
        .collect();
    if let Some(fields) = chosen.as_object_mut() {
        fields.insert("top_logprobs".to_owned(), likeliest.into());
    }
    chosen
}

/// OpenAI's usage object, with every field that strict clients look for.
pub(super) fn usage(prompt: u64, cached: u64, completion: u64, reasoning: u64) -> Value {
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {
            "cached_tokens": cached.min(prompt),
            "cache_write_tokens": 0,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}

fn entry(token: &str, logprob: f64) -> Value {
    json!({"token": token, "bytes": token.as_bytes(), "logprob": logprob})
}

/// FNV-1a: the same number for the same bytes on every machine and in every version.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Iterator over [`tokens`].
pub(super) struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let mut letters = 0;
        let end = self.rest.char_indices().find_map(|(at, char)| {
            if char.is_whitespace() {
                return (letters > 0).then_some(at);
            }
            letters += 1;
            (letters > LONGEST).then_some(at)
        });
        let (token, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        Some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_short_word_with_the_space_before_it() {
        let cut: Vec<&str> = tokens("Hi  there,\nconstitutional 你好 ").collect();
        assert_eq!(cut, ["Hi", "  there,", "\nconstitu", "tional", " 你好", " "]);
        assert_eq!(count(""), 0);
    }

    #[test]
    fn nothing_is_lost_between_tokens() {
        let text = " a🦀b\t\u{a0}supercalifragilistic  \n\n";
        assert_eq!(tokens(text).collect::<String>(), text);
        assert_eq!(first(text, 2), " a🦀b\t\u{a0}supercal");
        assert_eq!(first(text, 99), text);
    }

    #[test]
    fn log_probabilities_are_never_positive_and_the_chosen_token_leads() {
        let entry = token_logprob(" 你好", 3);
        assert_eq!(entry["bytes"], json!(" 你好".as_bytes()));
        let top = entry["top_logprobs"].as_array().unwrap();
        assert_eq!(top.len(), 3);
        assert_eq!(top[0]["token"], " 你好");
        assert_eq!(top[0]["logprob"], entry["logprob"]);
        for pair in top.windows(2) {
            assert!(pair[0]["logprob"].as_f64() > pair[1]["logprob"].as_f64());
        }
        assert!(entry["logprob"].as_f64().unwrap() <= 0.0);
        assert_eq!(token_logprob("x", 0)["top_logprobs"], json!([]));
    }
}
