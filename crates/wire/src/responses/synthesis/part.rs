//! One part of an item: a text, a refusal, a piece of reasoning.

use serde_json::{Map, Value};

use super::item::Kind;
use super::log::put;

/// Which of an item's lists a part stands in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum List {
    Content,
    Summary,
}

/// What a part is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PartKind {
    OutputText,
    Refusal,
    ReasoningText,
    SummaryText,
    /// Something that is yet to come: passed whole.
    Other,
}

impl PartKind {
    /// The kind of a part of this type, in an item of that kind.
    pub(super) fn of(kind: &str, item: Kind, list: List) -> Self {
        match (list, kind, item) {
            (List::Summary, ..) => Self::SummaryText,
            (_, "output_text" | "text", Kind::Message) => Self::OutputText,
            (_, "refusal", Kind::Message) => Self::Refusal,
            (_, "reasoning_text" | "output_text" | "text", Kind::Reasoning) => Self::ReasoningText,
            (_, "summary_text", Kind::Reasoning) => Self::SummaryText,
            _ => Self::Other,
        }
    }

    pub(super) const fn list(self) -> List {
        match self {
            Self::SummaryText => List::Summary,
            _ => List::Content,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::OutputText => "output_text",
            Self::Refusal => "refusal",
            Self::ReasoningText => "reasoning_text",
            Self::SummaryText => "summary_text",
            Self::Other => "other",
        }
    }

    /// The field that holds its text.
    pub(super) const fn field(self) -> &'static str {
        match self {
            Self::Refusal => "refusal",
            _ => "text",
        }
    }

    /// The events of its growth and of its end; a part that is passed whole has none.
    pub(super) const fn events(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::OutputText => Some(("response.output_text.delta", "response.output_text.done")),
            Self::Refusal => Some(("response.refusal.delta", "response.refusal.done")),
            Self::ReasoningText => {
                Some(("response.reasoning_text.delta", "response.reasoning_text.done"))
            }
            Self::SummaryText => Some((
                "response.reasoning_summary_text.delta",
                "response.reasoning_summary_text.done",
            )),
            Self::Other => None,
        }
    }
}

/// A part.
pub(super) struct Part {
    pub(super) kind: PartKind,
    /// Its index as the upstream counts.
    pub(super) source: u64,
    pub(super) text: String,
    pub(super) annotations: Vec<Value>,
    pub(super) logprobs: Vec<Value>,
    /// What else it says of itself.
    pub(super) rest: Map<String, Value>,
    pub(super) open: bool,
}

impl Part {
    pub(super) fn new(kind: PartKind, source: u64) -> Self {
        Self {
            kind,
            source,
            text: String::new(),
            annotations: Vec::new(),
            logprobs: Vec::new(),
            rest: Map::new(),
            open: true,
        }
    }

    /// The part as far as it has grown.
    pub(super) fn value(&self) -> Value {
        self.write(&self.text, self.annotations.clone(), self.logprobs.clone())
    }

    /// The part before anything grew in it.
    pub(super) fn begun(&self) -> Value {
        self.write("", Vec::new(), Vec::new())
    }

    fn write(&self, text: &str, annotations: Vec<Value>, logprobs: Vec<Value>) -> Value {
        if self.kind == PartKind::Other {
            return Value::Object(self.rest.clone());
        }
        let mut part = Map::with_capacity(self.rest.len() + 4);
        put(&mut part, "type", self.kind.name());
        put(&mut part, self.kind.field(), text);
        if self.kind == PartKind::OutputText {
            put(&mut part, "annotations", annotations);
            put(&mut part, "logprobs", logprobs);
        }
        part.extend(self.rest.iter().map(|(name, value)| (name.clone(), value.clone())));
        Value::Object(part)
    }
}
