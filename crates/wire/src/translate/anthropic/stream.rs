//! A stream of Messages events as chat completion chunks.

use std::collections::HashMap;

use serde::Deserialize;

use super::response::{Block, Counts, StopDetails, Stopped, redacted, thought};
use crate::sse::Event;
use crate::translate::completion::{ChunkWriter, Delta, ToolCallDelta};
use crate::translate::reasoning::{Detail, DetailKind};
use crate::translate::{BadAnswer, Context, IN_STREAM, StreamTranslator};

/// Translates a stream of events.
pub fn stream(context: Context) -> Box<dyn StreamTranslator> {
    Box::new(Translator {
        writer: ChunkWriter::new(context),
        open: HashMap::new(),
        tool_calls: 0,
        details: 0,
        counts: Counts::default(),
        stopped: Stopped::default(),
        done: false,
    })
}

struct Translator {
    writer: ChunkWriter,
    /// The blocks under way, by Anthropic's index.
    open: HashMap<u64, Open>,
    /// Tool calls so far; their index at OpenAI counts calls only, not blocks.
    tool_calls: usize,
    /// Pieces of reasoning so far.
    details: usize,
    counts: Counts,
    stopped: Stopped,
    done: bool,
}

/// A block under way, with its index at OpenAI.
#[derive(Clone, Copy)]
enum Open {
    Text,
    Thinking { detail: usize },
    ToolUse { call: usize, has_arguments: bool },
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Said {
    MessageStart {
        message: Start,
    },
    ContentBlockStart {
        index: u64,
        content_block: Block,
    },
    ContentBlockDelta {
        index: u64,
        delta: BlockDelta,
    },
    ContentBlockStop {
        index: u64,
    },
    MessageDelta {
        delta: Stop,
        #[serde(default)]
        usage: Counts,
    },
    MessageStop,
    Error,
    /// `ping`, and what is yet to come.
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Start {
    #[serde(default)]
    usage: Counts,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(clippy::enum_variant_names, reason = "the names are Anthropic's")]
enum BlockDelta {
    TextDelta {
        text: String,
    },
    InputJsonDelta {
        partial_json: String,
    },
    ThinkingDelta {
        thinking: String,
    },
    SignatureDelta {
        signature: String,
    },
    #[serde(other)]
    OtherDelta,
}

#[derive(Deserialize)]
struct Stop {
    stop_reason: Option<String>,
    stop_details: Option<StopDetails>,
}

impl StreamTranslator for Translator {
    fn push(&mut self, event: &[u8], out: &mut Vec<u8>) -> Result<(), BadAnswer> {
        let event = Event::parse(event);
        if self.done || event.data.is_empty() {
            return Ok(());
        }
        let said =
            serde_json::from_slice(&event.data).map_err(|e| BadAnswer::unreadable("event", &e))?;
        match said {
            Said::MessageStart { message } => {
                self.counts.update(message.usage);
                self.writer.service_tier = self.counts.service_tier();
                self.writer.begin(out, 0)
            }
            Said::ContentBlockStart { index, content_block } => {
                self.block_start(index, content_block, out)
            }
            Said::ContentBlockDelta { index, delta } => self.block_delta(index, &delta, out),
            Said::ContentBlockStop { index } => self.block_stop(index, out),
            Said::MessageDelta { delta, usage } => {
                self.counts.update(usage);
                self.stopped = Stopped { reason: delta.stop_reason, details: delta.stop_details };
                Ok(())
            }
            Said::MessageStop => self.stop(out),
            Said::Error => Err(BadAnswer::reported(&super::error(IN_STREAM, &event.data), out)),
            Said::Other => Ok(()),
        }
    }

    fn finish(&mut self, _out: &mut Vec<u8>) -> Result<(), BadAnswer> {
        if self.done {
            return Ok(());
        }
        Err(BadAnswer("the provider's stream ended before `message_stop`".to_owned()))
    }
}

impl Translator {
    fn block_start(
        &mut self,
        index: u64,
        block: Block,
        out: &mut Vec<u8>,
    ) -> Result<(), BadAnswer> {
        match block {
            Block::Text { text } => {
                self.open.insert(index, Open::Text);
                self.text(&text, out)
            }
            Block::Thinking { thinking, .. } => {
                let detail = self.next_detail();
                self.open.insert(index, Open::Thinking { detail });
                self.detail(&thinking, thought(detail, thinking.clone()), out)
            }
            Block::RedactedThinking { data } => {
                let detail = self.next_detail();
                self.detail("", redacted(detail, data), out)
            }
            Block::ToolUse { id, name, input } => {
                let call = self.tool_calls;
                self.tool_calls += 1;
                // Compatible servers may send all arguments at once, here.
                let has_arguments = input.as_object().is_some_and(|input| !input.is_empty());
                let arguments = if has_arguments { input.to_string() } else { String::new() };
                self.open.insert(index, Open::ToolUse { call, has_arguments });
                let delta = [ToolCallDelta::begin(call, &id, &name, &arguments)];
                self.writer.delta(out, 0, Delta { tool_calls: &delta, ..Delta::default() })
            }
            Block::Other => Ok(()),
        }
    }

    fn block_delta(
        &mut self,
        index: u64,
        delta: &BlockDelta,
        out: &mut Vec<u8>,
    ) -> Result<(), BadAnswer> {
        match (delta, self.open.get_mut(&index)) {
            (BlockDelta::TextDelta { text }, Some(Open::Text)) => self.text(text, out),
            (
                BlockDelta::InputJsonDelta { partial_json },
                Some(Open::ToolUse { call, has_arguments }),
            ) if !partial_json.is_empty() => {
                *has_arguments = true;
                let delta = [ToolCallDelta::more(*call, partial_json)];
                self.writer.delta(out, 0, Delta { tool_calls: &delta, ..Delta::default() })
            }
            (BlockDelta::ThinkingDelta { thinking }, Some(Open::Thinking { detail })) => {
                let part = part(*detail);
                self.detail(thinking, Detail { text: Some(thinking.clone()), ..part }, out)
            }
            (BlockDelta::SignatureDelta { signature }, Some(Open::Thinking { detail })) => {
                let part = part(*detail);
                self.detail("", Detail { signature: Some(signature.clone()), ..part }, out)
            }
            _ => Ok(()),
        }
    }

    /// A call without arguments gets the empty object, since `""` is no JSON.
    fn block_stop(&mut self, index: u64, out: &mut Vec<u8>) -> Result<(), BadAnswer> {
        let Some(Open::ToolUse { call, has_arguments: false }) = self.open.remove(&index) else {
            return Ok(());
        };
        let delta = [ToolCallDelta::more(call, "{}")];
        self.writer.delta(out, 0, Delta { tool_calls: &delta, ..Delta::default() })
    }

    fn stop(&mut self, out: &mut Vec<u8>) -> Result<(), BadAnswer> {
        if let Some(refusal) = self.stopped.refusal() {
            self.writer.delta(out, 0, Delta { refusal: Some(refusal), ..Delta::default() })?;
        }
        self.writer.finish(out, 0, self.stopped.finish_reason())?;
        self.done = true;
        self.writer.close(out, self.counts.read().as_ref())
    }

    fn text(&mut self, text: &str, out: &mut Vec<u8>) -> Result<(), BadAnswer> {
        if text.is_empty() {
            return Ok(());
        }
        self.writer.delta(out, 0, Delta { content: Some(text), ..Delta::default() })
    }

    fn detail(&mut self, text: &str, part: Detail, out: &mut Vec<u8>) -> Result<(), BadAnswer> {
        let readable = if text.is_empty() { Delta::default() } else { Delta::reasoning(text) };
        self.writer.delta(out, 0, Delta { reasoning_details: &[part], ..readable })
    }

    fn next_detail(&mut self) -> usize {
        let detail = self.details;
        self.details += 1;
        detail
    }
}

/// A later part of a readable thought.
fn part(detail: usize) -> Detail {
    Detail { kind: DetailKind::Text, index: Some(detail), ..Detail::default() }
}
