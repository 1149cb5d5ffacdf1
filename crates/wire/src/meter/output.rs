//! What a model wrote, taken out of an answer's choices.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The longest output that is kept; of what is beyond only the length is.
const LONGEST: usize = 8 << 20;

/// What a model wrote: content, reasoning, refusals, names and arguments of tool calls.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutputText {
    /// The text, up to 8 MiB.
    pub text: String,
    /// The bytes beyond that.
    pub more_bytes: u64,
}

impl OutputText {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(super) fn add(&mut self, choice: &Choice<'_>) {
        self.push(&choice.text);
        for delta in choice.delta.iter().chain(choice.message.as_deref()) {
            self.push(&delta.content);
            self.push(&delta.refusal);
            // Servers that send both names send the same text twice.
            let twice = delta.reasoning.0.is_empty();
            self.push(if twice { &delta.reasoning_content } else { &delta.reasoning });
            let calls = delta.tool_calls.iter().flatten();
            let functions = calls.flat_map(|call| call.function.iter().chain(&call.custom));
            for function in functions.chain(delta.function_call.as_deref()) {
                self.push(&function.name);
                self.push(&function.arguments);
                self.push(&function.input);
            }
        }
    }

    pub(super) fn push(&mut self, text: &Text<'_>) {
        if self.text.len() + text.0.len() <= LONGEST {
            self.text.push_str(&text.0);
        } else {
            self.more_bytes += text.0.len() as u64;
        }
    }
}

/// One choice of a whole answer (`message`), a stream (`delta`) or a legacy completion (`text`).
#[derive(Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
    /// Boxed, as are other rare parts: a choice is moved about while it is read.
    #[serde(borrow)]
    message: Option<Box<Delta<'a>>>,
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    finish_reason: Text<'a>,
}

impl Choice<'_> {
    pub(super) fn finish_reason(&self) -> Option<&str> {
        Some(&*self.finish_reason.0).filter(|reason| !reason.is_empty())
    }
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    content: Text<'a>,
    #[serde(borrow, default)]
    reasoning: Text<'a>,
    #[serde(borrow, default)]
    reasoning_content: Text<'a>,
    #[serde(borrow, default)]
    refusal: Text<'a>,
    #[serde(borrow)]
    tool_calls: Option<Vec<ToolCall<'a>>>,
    #[serde(borrow)]
    function_call: Option<Box<Function<'a>>>,
}

#[derive(Deserialize)]
struct ToolCall<'a> {
    #[serde(borrow)]
    function: Option<Function<'a>>,
    #[serde(borrow)]
    custom: Option<Function<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    arguments: Text<'a>,
    #[serde(borrow, default)]
    input: Text<'a>,
}

/// A string, or the text of a list of content parts; anything else is empty. It borrows where the
/// string has no escapes, which an `Option<Cow<str>>` would not do.
#[derive(Default)]
pub(super) struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A content part: `text`, or `thinking`, which is a list of parts again.
#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    thinking: Text<'a>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Borrowed(text)))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut all = String::new();
        while let Some(part) = seq.next_element::<Part<'de>>()? {
            all.push_str(&part.text.0);
            all.push_str(&part.thinking.0);
        }
        Ok(Text(Cow::Owned(all)))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text::default())
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Text::default())
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Text::default())
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Text::default())
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Text::default())
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Text::default())
    }
}
