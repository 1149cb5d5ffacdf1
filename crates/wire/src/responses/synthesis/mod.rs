//! The answer side: whatever an upstream sends, a chat or a response of any quality, becomes one
//! response of ours and its events.
//!
//! ```text
//! chat, native (what the upstream says) -> Output (items, in the order of the grammar) -> Log
//! ```
//!
//! A delta costs one small event. Only the events of the response's own life hold the whole of it.

mod chat;
mod details;
mod item;
mod log;
mod native;
mod output;
mod part;
mod pieces;
mod seal;

use kernel::Usage;
use serde_json::{Map, Value};

use self::chat::Chat;
use self::item::message;
use self::log::put;
use self::native::Native;
use self::output::Output;
use self::part::PartKind;
use super::event::Event;
use super::response::{Frame, Status};
use super::tools::ToolNames;
use crate::error::ErrorBody;
use crate::sse;
use crate::translate::BadAnswer;

/// The format of the upstream's answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// Chat Completions.
    Chat,
    /// The Responses API itself.
    Native,
}

/// Makes a fresh id that begins with what it is given.
pub type NewId = Box<dyn FnMut(&'static str) -> String + Send>;

/// Turns the private object of an item, `{"provider", "blob", "details", "summary", "text"}`, into
/// the `encrypted_content` that clients keep for us; `None` where they get none.
pub type Seal = Box<dyn Fn(&Value) -> Option<String> + Send>;

/// What a response begins with.
pub struct Opening {
    /// Its id, `resp_…`.
    pub id: String,
    /// When it was asked for, in seconds since the Unix epoch.
    pub created_at: i64,
    /// The fields of the Response object that repeat the request.
    pub echo: Map<String, Value>,
    /// How the names of tools in a chat are read back.
    pub tools: ToolNames,
    /// Where new ids come from.
    pub new_id: NewId,
    /// Where `encrypted_content` comes from.
    pub seal: Seal,
}

/// How a response ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ending {
    /// As the upstream said.
    Said,
    /// Completely, though nothing was to be said.
    Silent,
    /// With this error.
    Failed(ErrorBody),
    /// Somebody wanted no more of it.
    Cancelled,
    /// Before its time, for this reason: `max_output_tokens`, ...
    Incomplete(&'static str),
}

/// A response in the making.
pub struct Synthesis {
    draft: Draft,
    chat: Chat,
    native: Native,
    created: bool,
    concluded: bool,
}

/// The response as far as it is known.
struct Draft {
    frame: Frame,
    output: Output,
    word: Word,
    tools: ToolNames,
}

/// What the upstream said of its answer as a whole.
#[derive(Default)]
struct Word {
    /// It said its last word.
    done: bool,
    /// Why it was incomplete.
    incomplete: Option<String>,
    error: Option<ErrorBody>,
}

impl Synthesis {
    /// A response that nothing is known of but its request.
    pub fn new(opening: Opening) -> Self {
        let Opening { id, created_at, echo, tools, new_id, seal } = opening;
        let frame = Frame::new(id, created_at, echo);
        let output = Output::new(new_id, seal);
        Self {
            draft: Draft { frame, output, word: Word::default(), tools },
            chat: Chat::default(),
            native: Native::default(),
            created: false,
            concluded: false,
        }
    }

    /// The response waits for its turn: `response.created` and `response.queued`.
    pub fn queued(&mut self) -> Vec<Event> {
        self.draft.frame.status = Status::Queued;
        self.draft.output.log.listen();
        self.create();
        self.draft.tell("response.queued");
        self.draft.output.log.take()
    }

    /// The response is being made: `response.created`, unless it was told when it was queued, and
    /// `response.in_progress`. Where neither this nor [`queued`](Self::queued) is called, nobody
    /// listens, and there are no events.
    pub fn begin(&mut self) -> Vec<Event> {
        self.draft.frame.status = Status::InProgress;
        self.draft.output.log.listen();
        self.create();
        self.draft.tell("response.in_progress");
        self.draft.output.log.take()
    }

    fn create(&mut self) {
        if !std::mem::replace(&mut self.created, true) {
            self.draft.tell("response.created");
        }
    }

    /// Names the provider that answers.
    pub fn answered_by(&mut self, provider: &str) {
        self.draft.output.sealer.provider = Some(provider.to_owned());
    }

    /// Reads one raw server-sent event of the upstream, as [`sse::Splitter`] cuts them.
    ///
    /// # Errors
    /// [`BadAnswer`] when it is not what that API sends.
    pub fn read(&mut self, source: Source, raw_event: &[u8]) -> Result<Vec<Event>, BadAnswer> {
        let event = sse::Event::parse(raw_event);
        if event.data.trim_ascii().is_empty() || self.concluded {
            return Ok(Vec::new());
        }
        if event.is_done() {
            self.draft.end_of_stream(self.chat.finished);
            return Ok(Vec::new());
        }
        let said = object(&event.data, "event")?;
        match source {
            Source::Chat => self.chat.chunk(&said, &mut self.draft),
            Source::Native => self.native.event(said, event.event.as_deref(), &mut self.draft),
        }
        Ok(self.draft.output.log.take())
    }

    /// Reads a whole answer. Its events, if anybody listens, come with the conclusion.
    ///
    /// # Errors
    /// [`BadAnswer`] when it is not what that API answers.
    pub fn whole(&mut self, source: Source, document: &[u8]) -> Result<(), BadAnswer> {
        let said = object(document, "answer")?;
        self.draft.output.hold_all();
        match source {
            Source::Chat => self.chat.whole(&said, &mut self.draft),
            Source::Native => self.native.whole(&said, &mut self.draft),
        }
    }

    /// Ends the response: closes what is open and says how it ended.
    pub fn conclude(&mut self, ending: Ending, now: i64) -> Vec<Event> {
        if std::mem::replace(&mut self.concluded, true) {
            return Vec::new();
        }
        let Draft { word, .. } = &self.draft;
        let ending = match (ending, &word.error, &word.incomplete) {
            (Ending::Said, Some(error), _) => Ending::Failed(error.clone()),
            (Ending::Said, None, Some(reason)) => return self.end_early(Some(reason.clone())),
            (ending, ..) => ending,
        };
        match ending {
            Ending::Said => {
                self.finish_items(false);
                self.draft.frame.completed_at = Some(now);
                self.end(Status::Completed, "response.completed")
            }
            Ending::Silent => {
                self.draft.frame.completed_at = Some(now);
                self.end(Status::Completed, "response.completed")
            }
            Ending::Incomplete(reason) => self.end_early(Some(reason.to_owned())),
            Ending::Cancelled => self.end_early(None),
            Ending::Failed(error) => {
                self.finish_items(true);
                self.draft.frame.fail(&error);
                self.end(Status::Failed, "response.failed")
            }
        }
    }

    /// Without a reason, it was cancelled; no event of the API is just for that.
    fn end_early(&mut self, reason: Option<String>) -> Vec<Event> {
        self.finish_items(true);
        let status = if reason.is_some() { Status::Incomplete } else { Status::Cancelled };
        self.draft.frame.incomplete = reason;
        self.end(status, "response.incomplete")
    }

    fn finish_items(&mut self, cut: bool) {
        self.chat.finish(&mut self.draft);
        let output = &mut self.draft.output;
        if output.is_empty() && !cut {
            // Clients look for a message, be it an empty one.
            let key = output.open(message(), None);
            output.text(key, PartKind::OutputText, None, "", Vec::new());
        }
        output.announce_all();
        output.close_all(cut);
    }

    fn end(&mut self, status: Status, event: &'static str) -> Vec<Event> {
        self.draft.frame.status = status;
        self.draft.tell(event);
        self.draft.output.log.take()
    }

    /// The Response object as it stands.
    pub fn response(&self) -> Value {
        self.draft.response()
    }

    /// The output items as they stand.
    pub fn output(&self) -> Vec<Value> {
        self.draft.output.values()
    }

    /// Whether the upstream has not told its usage, or not yet.
    pub fn usage_missing(&self) -> bool {
        self.draft.frame.usage.is_none()
    }

    /// The usage, as far as it is known.
    pub fn usage(&self) -> Option<Usage> {
        self.draft.frame.usage
    }

    /// Sets the usage: what was counted here, or what several calls used together.
    pub fn set_usage(&mut self, usage: &Usage) {
        self.draft.frame.usage = Some(*usage);
    }

    /// A number for an event that is not made here. No other event gets it.
    pub fn next_sequence(&mut self) -> u64 {
        self.draft.output.log.number()
    }

    /// Whether the upstream has said its last word.
    pub fn upstream_done(&self) -> bool {
        self.draft.word.done
    }

    /// Whether the upstream said that its answer was cut off.
    pub fn is_incomplete(&self) -> bool {
        self.draft.word.incomplete.is_some()
    }

    /// The error that the upstream told inside its answer.
    pub fn upstream_error(&self) -> Option<&ErrorBody> {
        self.draft.word.error.as_ref()
    }

    /// From now on messages are gathered, and told with the conclusion.
    pub fn hold_text(&mut self) {
        self.draft.output.hold_messages();
    }

    /// Replaces the text of the message that is gathered. What clients have heard stays.
    pub fn replace_text(&mut self, text: String) {
        self.draft.output.replace_text(text);
    }
}

impl Draft {
    /// The stream was closed. A provider that said nothing before has not answered.
    fn end_of_stream(&mut self, finished: bool) {
        if !self.word.done && !finished && self.output.is_empty() {
            self.no_answer();
        }
        self.word.done = true;
    }

    /// The provider ended, and there was nothing.
    fn no_answer(&mut self) {
        self.word.error.get_or_insert_with(|| {
            ErrorBody::server_error("the provider ended its answer without having said anything")
        });
    }

    fn response(&self) -> Value {
        self.frame.value(self.output.values())
    }

    /// Tells an event that holds the whole response.
    fn tell(&mut self, kind: &'static str) {
        if !self.output.log.is_heard() {
            return;
        }
        let response = self.response();
        self.output.log.tell(kind, |body| put(body, "response", response));
    }
}

/// The object that the upstream sent. What is wrong with it is told by its place, never quoted.
fn object(json: &[u8], what: &str) -> Result<Map<String, Value>, BadAnswer> {
    serde_json::from_slice(json).map_err(|error| {
        let column = error.column();
        BadAnswer(format!("the provider's {what} is no JSON object (column {column})"))
    })
}
