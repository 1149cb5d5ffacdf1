//! Directives: lines `sim: …` of a message, by which the client scripts the answer. The grammar is
//! documented in docs/kijun-sim.md.

use std::time::Duration;

use http::{HeaderValue, StatusCode};
use serde_json::Value;

use super::request::Wrong;

/// Everything that the directives of a request ask for.
#[derive(Debug, Clone, Default)]
pub(super) struct Directives {
    /// What is answered, in place of the sim's own words.
    pub(super) speech: Option<Speech>,
    /// The reasoning before the answer.
    pub(super) reason: Option<String>,
    /// Tools to call, in order: name and, if given, arguments.
    pub(super) tools: Vec<(String, Option<String>)>,
    /// Moderation categories that come out flagged.
    pub(super) flags: Vec<String>,
    /// The finish reason, in place of the true one.
    pub(super) finish: Option<&'static str>,
    /// Tokens of the input that count as cached.
    pub(super) cached: u64,
    /// Whether the answer keeps its usage to itself.
    pub(super) without_usage: bool,
    /// Silence before the first byte.
    pub(super) delay: Duration,
    /// Silence between two events.
    pub(super) pace: Duration,
    /// An error in place of the answer.
    pub(super) fail: Option<Fail>,
    /// How the answer ends before its time.
    pub(super) cut: Option<Cut>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Speech {
    /// This text.
    Say(String),
    /// What the client wrote.
    Echo,
    /// So many tokens of filler.
    Tokens(u64),
    /// This JSON, character by character.
    Json(String),
    /// A refusal in these words.
    Refuse(String),
}

/// An error to answer with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fail {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<HeaderValue>,
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
    /// Only the first so many attempts of one request fail.
    pub(super) times: Option<u64>,
}

/// How an answer ends before its time. Events are counted only in streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// The connection is lost after so many events.
    Break(u64),
    /// Nothing more comes after so many events.
    Hang(u64),
}

impl Directives {
    /// Takes the directives out of a text and returns the lines that are left.
    pub(super) fn take_from(&mut self, text: &str) -> Result<String, Wrong> {
        if !text.contains("sim:") {
            return Ok(text.to_owned());
        }
        let mut left = Vec::new();
        for line in text.lines() {
            match line.trim().strip_prefix("sim:") {
                Some(directive) => self.follow(directive.trim())?,
                None => left.push(line),
            }
        }
        Ok(left.join("\n").trim().to_owned())
    }

    fn follow(&mut self, directive: &str) -> Result<(), Wrong> {
        let (verb, rest) = split_word(directive);
        let usage = match verb {
            "say" => set(words(rest).map(Speech::Say), &mut self.speech, "sim: say \"text\""),
            "echo" => set(nothing(rest, Speech::Echo), &mut self.speech, "sim: echo"),
            "tokens" => {
                let speech = number(rest, 100_000).map(Speech::Tokens);
                set(speech, &mut self.speech, "sim: tokens 200 (at most 100000)")
            }
            "json" => {
                set(json(rest).map(Speech::Json), &mut self.speech, "sim: json {\"any\": \"JSON\"}")
            }
            "refuse" => {
                let speech = optional_words(rest, "I am told to refuse.").map(Speech::Refuse);
                set(speech, &mut self.speech, "sim: refuse, or sim: refuse \"text\"")
            }
            "reason" => set(words(rest), &mut self.reason, "sim: reason \"text\""),
            "finish" => set(
                one_of(rest, &["stop", "length", "content_filter"]),
                &mut self.finish,
                "sim: finish stop, length or content_filter",
            ),
            "tool" => push(tool(rest), &mut self.tools, "sim: tool NAME {\"argument\": 1}"),
            "flag" => push(
                one_of(rest, &super::moderation::CATEGORIES).map(str::to_owned),
                &mut self.flags,
                "sim: flag CATEGORY, one of the API's own, such as harassment or self-harm/intent",
            ),
            "cached" => replace(number(rest, u64::MAX), &mut self.cached, "sim: cached 100"),
            "usage" => replace(
                (rest == "none").then_some(true),
                &mut self.without_usage,
                "sim: usage none",
            ),
            "delay" => {
                replace(duration(rest), &mut self.delay, "sim: delay 300ms (or 2s; at most 1h)")
            }
            "pace" => replace(duration(rest), &mut self.pace, "sim: pace 20ms (or 2s; at most 1h)"),
            "break" => set(after(rest).map(Cut::Break), &mut self.cut, "sim: break after=5"),
            "hang" => {
                set(after(rest).map(Cut::Hang), &mut self.cut, "sim: hang, or sim: hang after=5")
            }
            "fail" => set(
                fail(rest),
                &mut self.fail,
                "sim: fail 429 retry-after=2 code=rate_limit_exceeded times=1 message=\"text\" \
                 (a status between 400 and 599; the rest as needed, the message last)",
            ),
            _ => {
                return Err(wrong(&format!(
                    "kijun-sim knows no directive `sim: {verb}`; it knows break, cached, delay, \
                     echo, fail, finish, flag, hang, json, pace, reason, refuse, say, tokens, \
                     tool, usage"
                )));
            }
        };
        usage.map_err(|usage| wrong(&format!("kijun-sim cannot read `sim: {verb}`: write {usage}")))
    }
}

fn wrong(message: &str) -> Wrong {
    Wrong::new("messages", format!("{message}. All are in docs/kijun-sim.md."))
}

/// How a directive is written, for a client that wrote it otherwise.
type Usage = &'static str;

fn set<T>(value: Option<T>, place: &mut Option<T>, usage: Usage) -> Result<(), Usage> {
    *place = Some(value.ok_or(usage)?);
    Ok(())
}

fn replace<T>(value: Option<T>, place: &mut T, usage: Usage) -> Result<(), Usage> {
    *place = value.ok_or(usage)?;
    Ok(())
}

fn push<T>(value: Option<T>, place: &mut Vec<T>, usage: Usage) -> Result<(), Usage> {
    place.push(value.ok_or(usage)?);
    Ok(())
}

fn split_word(text: &str) -> (&str, &str) {
    text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim()))
}

/// A text: a JSON string where it begins with a quotation mark, else the rest of the line.
fn words(text: &str) -> Option<String> {
    match text.starts_with('"') {
        true => serde_json::from_str(text).ok(),
        false => (!text.is_empty()).then(|| text.to_owned()),
    }
}

fn optional_words(text: &str, default: &str) -> Option<String> {
    if text.is_empty() { Some(default.to_owned()) } else { words(text) }
}

fn nothing<T>(text: &str, value: T) -> Option<T> {
    text.is_empty().then_some(value)
}

fn number(text: &str, most: u64) -> Option<u64> {
    text.parse().ok().filter(|number| *number <= most)
}

fn one_of(text: &str, known: &[&'static str]) -> Option<&'static str> {
    known.iter().find(|each| **each == text).copied()
}

fn json(text: &str) -> Option<String> {
    serde_json::from_str::<Value>(text).ok().map(|_| text.to_owned())
}

fn duration(text: &str) -> Option<Duration> {
    let parse = |digits: &str| digits.parse::<u64>().ok();
    let duration = match text.strip_suffix("ms") {
        Some(millis) => Duration::from_millis(parse(millis)?),
        None => Duration::from_secs(parse(text.strip_suffix('s')?)?),
    };
    (duration <= Duration::from_secs(3_600)).then_some(duration)
}

fn after(text: &str) -> Option<u64> {
    if text.is_empty() { Some(0) } else { number(text.strip_prefix("after=")?, u64::MAX) }
}

fn tool(text: &str) -> Option<(String, Option<String>)> {
    let (name, arguments) = split_word(text);
    if name.is_empty() || name.starts_with('{') {
        return None;
    }
    let arguments = match arguments {
        "" => None,
        given => Some(json(given)?),
    };
    Some((name.to_owned(), arguments))
}

fn fail(text: &str) -> Option<Fail> {
    let (options, message) = match text.split_once(" message=") {
        Some((options, message)) => (options, Some(words(message.trim())?)),
        None => (text, None),
    };
    let (status, options) = split_word(options);
    let status = status.parse().ok().filter(|status| (400..600).contains(status))?;
    let status = StatusCode::from_u16(status).ok()?;
    let mut fail = Fail { status, retry_after: None, code: None, message, times: None };
    for option in options.split_whitespace() {
        match option.split_once('=')? {
            ("retry-after", value) => fail.retry_after = Some(HeaderValue::from_str(value).ok()?),
            ("code", value) => fail.code = Some(value.to_owned()),
            ("times", value) => fail.times = Some(value.parse().ok()?),
            _ => return None,
        }
    }
    Some(fail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Failure;

    fn read(text: &str) -> (Directives, String) {
        let mut directives = Directives::default();
        let left = directives.take_from(text).unwrap();
        (directives, left)
    }

    #[test]
    fn directives_are_taken_out_of_the_text() {
        let (directives, left) = read("Hello\n  sim: say \"a\\nb\"\nsim: delay 300ms\nthere");
        assert_eq!(left, "Hello\nthere");
        assert_eq!(directives.speech, Some(Speech::Say("a\nb".to_owned())));
        assert_eq!(directives.delay, Duration::from_millis(300));
    }

    #[test]
    fn text_without_directives_is_left_as_it_is() {
        assert_eq!(read(" two  lines\r\nkept ").1, " two  lines\r\nkept ");
    }

    #[test]
    fn several_tools_are_called_in_order() {
        let (directives, _) = read("sim: tool a {\"x\": 1}\nsim: tool b");
        assert_eq!(
            directives.tools,
            [("a".to_owned(), Some("{\"x\": 1}".to_owned())), ("b".to_owned(), None)]
        );
    }

    #[test]
    fn a_failure_has_options_and_then_a_message() {
        let (directives, _) = read("sim: fail 429 retry-after=2 times=1 message=\"try = later\"");
        let fail = directives.fail.unwrap();
        assert_eq!(fail.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(fail.retry_after.unwrap(), "2");
        assert_eq!(fail.times, Some(1));
        assert_eq!(fail.message.unwrap(), "try = later");
    }

    #[test]
    fn a_cut_may_come_before_anything() {
        assert_eq!(read("sim: hang").0.cut, Some(Cut::Hang(0)));
        assert_eq!(read("sim: break after=5").0.cut, Some(Cut::Break(5)));
    }

    #[test]
    fn a_wrong_directive_says_how_to_write_it() {
        let wrongs = [
            ("sim: sing", "knows no directive `sim: sing`"),
            ("sim: say", "write sim: say \"text\""),
            ("sim: say \"open", "write sim: say"),
            ("sim: tokens many", "write sim: tokens 200"),
            ("sim: tokens 100001", "write sim: tokens 200"),
            ("sim: delay 5", "write sim: delay 300ms"),
            ("sim: json {", "write sim: json"),
            ("sim: tool", "write sim: tool NAME"),
            ("sim: tool f {1}", "write sim: tool NAME"),
            ("sim: fail 200", "write sim: fail 429"),
            ("sim: fail 429 often=2", "write sim: fail 429"),
            ("sim: finish tool_calls", "write sim: finish"),
            ("sim: flag rudeness", "write sim: flag"),
            ("sim: echo twice", "write sim: echo"),
            ("sim: usage all", "write sim: usage none"),
            ("sim: break 5", "write sim: break after=5"),
        ];
        for (text, expected) in wrongs {
            let wrong = Directives::default().take_from(text).unwrap_err();
            let said = Failure::from(wrong).said.unwrap();
            let body: Value = serde_json::from_slice(&said.body).unwrap();
            let message = body["error"]["message"].as_str().unwrap();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }
}
