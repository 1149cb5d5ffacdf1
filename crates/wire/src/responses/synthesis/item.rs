//! One item of the output, as far as it has grown.

use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::log::put;
use super::part::{List, Part, PartKind};
use super::seal::Private;

/// What an item is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Message,
    Reasoning,
    FunctionCall,
    CustomCall,
    /// A tool that the provider runs, or something that is yet to come: passed whole.
    Other,
}

impl Kind {
    pub(super) fn of(kind: &str) -> Self {
        match kind {
            "message" => Self::Message,
            "reasoning" => Self::Reasoning,
            "function_call" => Self::FunctionCall,
            "custom_tool_call" => Self::CustomCall,
            _ => Self::Other,
        }
    }

    pub(super) const fn is_call(self) -> bool {
        matches!(self, Self::FunctionCall | Self::CustomCall)
    }

    /// Whether an item of this kind has such parts.
    pub(super) const fn holds(self, part: PartKind) -> bool {
        match part {
            PartKind::OutputText | PartKind::Refusal => matches!(self, Self::Message),
            PartKind::ReasoningText | PartKind::SummaryText => matches!(self, Self::Reasoning),
            PartKind::Other => matches!(self, Self::Message | Self::Reasoning),
        }
    }

    /// The field that holds the text of a call.
    pub(super) const fn argument(self) -> Option<&'static str> {
        match self {
            Self::FunctionCall => Some("arguments"),
            Self::CustomCall => Some("input"),
            Self::Message | Self::Reasoning | Self::Other => None,
        }
    }
}

/// How far an item has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Progress {
    Open,
    Completed,
    /// It was cut off.
    Incomplete,
}

impl Progress {
    const fn name(self) -> &'static str {
        match self {
            Self::Open => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete => "incomplete",
        }
    }
}

/// An item.
pub(super) struct Item {
    pub(super) id: String,
    pub(super) kind: Kind,
    /// What it says of itself, its type included, without what grows.
    pub(super) fields: Map<String, Value>,
    pub(super) content: Vec<Part>,
    pub(super) summary: Vec<Part>,
    /// The text of a call.
    pub(super) argument: String,
    pub(super) progress: Progress,
    /// Its `output_index`, once clients know of it.
    pub(super) place: Option<usize>,
    /// Its `call_id` as the upstream says, which may not be the one that clients know.
    pub(super) source_call_id: Option<String>,
    pub(super) private: Private,
}

impl Item {
    pub(super) fn new(id: String, kind: Kind, fields: Map<String, Value>) -> Self {
        Self {
            id,
            kind,
            fields,
            content: Vec::new(),
            summary: Vec::new(),
            argument: String::new(),
            progress: Progress::Open,
            place: None,
            source_call_id: None,
            private: Private::default(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.progress == Progress::Open
    }

    pub(super) fn parts(&self, list: List) -> &[Part] {
        match list {
            List::Content => &self.content,
            List::Summary => &self.summary,
        }
    }

    pub(super) fn parts_mut(&mut self, list: List) -> &mut Vec<Part> {
        match list {
            List::Content => &mut self.content,
            List::Summary => &mut self.summary,
        }
    }

    /// A field that is a text, `""` where it is not.
    pub(super) fn text(&self, field: &str) -> &str {
        self.fields.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether a call has all its arguments, as far as can be seen.
    pub(super) fn is_whole_call(&self) -> bool {
        match self.kind {
            Kind::FunctionCall => serde_json::from_str::<IgnoredAny>(&self.argument).is_ok(),
            Kind::CustomCall => true,
            Kind::Message | Kind::Reasoning | Kind::Other => false,
        }
    }

    /// An item that the provider runs, and did not end itself, has the status of the answer.
    pub(super) fn settle_status(&mut self, progress: Progress) {
        let under_way = ["in_progress", "searching", "generating", "interpreting", "calling"];
        if self.kind != Kind::Other || !under_way.contains(&self.text("status")) {
            return;
        }
        let is_image = self.text("type") == "image_generation_call";
        let status = match progress {
            Progress::Incomplete if is_image => "failed",
            Progress::Incomplete => "incomplete",
            Progress::Open | Progress::Completed => "completed",
        };
        put(&mut self.fields, "status", status);
    }

    /// All that was written in it.
    pub(super) fn written(&self) -> String {
        let parts = self.summary.iter().chain(&self.content);
        parts.map(|part| part.text.as_str()).chain([self.argument.as_str()]).collect()
    }

    /// The item as far as it has grown.
    pub(super) fn value(&self) -> Value {
        let values = |parts: &[Part]| parts.iter().map(Part::value).collect();
        self.write(self.progress, values(&self.content), values(&self.summary), &self.argument)
    }

    /// The item before anything grew in it.
    pub(super) fn begun(&self) -> Value {
        let mut item = self.write(Progress::Open, Vec::new(), Vec::new(), "");
        if self.kind == Kind::Reasoning
            && let Value::Object(item) = &mut item
        {
            item.remove("encrypted_content");
        }
        item
    }

    fn write(
        &self,
        progress: Progress,
        content: Vec<Value>,
        summary: Vec<Value>,
        argument: &str,
    ) -> Value {
        let mut item = Map::with_capacity(self.fields.len() + 4);
        put(&mut item, "id", self.id.as_str());
        item.extend(self.fields.iter().map(|(name, value)| (name.clone(), value.clone())));
        // Reasoning has no status: the API itself does not take one back.
        if !matches!(self.kind, Kind::Reasoning | Kind::Other) {
            put(&mut item, "status", progress.name());
        }
        match self.kind {
            Kind::Message => put(&mut item, "content", content),
            Kind::Reasoning => {
                put(&mut item, "summary", summary);
                put(&mut item, "content", content);
            }
            Kind::FunctionCall => put(&mut item, "arguments", argument),
            Kind::CustomCall => put(&mut item, "input", argument),
            Kind::Other => {}
        }
        Value::Object(item)
    }
}

/// What a message of the model says of itself before it says anything.
pub(super) fn message() -> Map<String, Value> {
    let mut message = Map::new();
    put(&mut message, "type", "message");
    put(&mut message, "role", "assistant");
    message
}
