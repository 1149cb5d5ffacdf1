//! A `streamGenerateContent` stream as chat completion chunks.

use std::collections::BTreeMap;

use serde_json::Value;

use super::response::{
    Answer, CallIds, Candidate, Counts, Logprobs, Part, finish_reason, sealed, thought,
};
use crate::sse::Event;
use crate::translate::completion::{
    ChunkWriter, Delta, FinishReason, ToolCallDelta, image, thought_signature,
};
use crate::translate::reasoning::Detail;
use crate::translate::{BadAnswer, Context, IN_STREAM, StreamTranslator};

/// Translates a stream of events. Gemini has no mark for the end, and usage may come after the
/// last candidate has finished, so the usage and `[DONE]` follow the end of the stream.
pub fn stream(context: Context) -> Box<dyn StreamTranslator> {
    Box::new(Translator {
        ids: CallIds::new(&context),
        writer: ChunkWriter::new(context),
        choices: BTreeMap::new(),
        counts: Counts::default(),
        closed: false,
    })
}

struct Translator {
    writer: ChunkWriter,
    ids: CallIds,
    choices: BTreeMap<u64, Choice>,
    counts: Counts,
    closed: bool,
}

/// What of a choice has been written.
#[derive(Default)]
struct Choice {
    tool_calls: usize,
    details: usize,
    /// The readable thought that is under way.
    thought: Option<usize>,
    finished: bool,
}

impl StreamTranslator for Translator {
    fn push(&mut self, event: &[u8], out: &mut Vec<u8>) -> Result<(), BadAnswer> {
        let event = Event::parse(event);
        if self.closed || event.data.is_empty() || event.is_done() {
            return Ok(());
        }
        let answer: Answer =
            serde_json::from_slice(&event.data).map_err(|e| BadAnswer::unreadable("event", &e))?;
        if answer.error.is_some() {
            return Err(BadAnswer::reported(&super::error(IN_STREAM, &event.data), out));
        }
        if let Some(counts) = answer.usage_metadata {
            self.counts = counts;
            self.writer.service_tier = self.counts.service_tier();
        }
        for (place, candidate) in (0..).zip(answer.candidates) {
            self.candidate(candidate.index.unwrap_or(place), candidate, out)?;
        }
        match answer.prompt_feedback {
            Some(feedback) if feedback.block_reason.is_some() && self.choices.is_empty() => {
                let refusal = feedback.block_reason_message;
                let delta = Delta { refusal: refusal.as_deref(), ..Delta::default() };
                self.writer.delta(out, 0, delta)?;
                self.choices.entry(0).or_default().finished = true;
                self.writer.finish(out, 0, FinishReason::ContentFilter)
            }
            _ => Ok(()),
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), BadAnswer> {
        if self.closed {
            return Ok(());
        }
        if self.choices.is_empty() || self.choices.values().any(|choice| !choice.finished) {
            return Err(BadAnswer("the provider's stream ended before a finish reason".to_owned()));
        }
        self.closed = true;
        self.writer.close(out, self.counts.read().as_ref())
    }
}

impl Translator {
    fn candidate(
        &mut self,
        index: u64,
        candidate: Candidate,
        out: &mut Vec<u8>,
    ) -> Result<(), BadAnswer> {
        self.writer.begin(out, index)?;
        if self.choices.entry(index).or_default().finished {
            return Ok(());
        }
        for part in candidate.content.unwrap_or_default().parts {
            self.part(index, part, out)?;
        }
        if let Some(logprobs) = candidate.logprobs_result.map(Logprobs::into_value) {
            self.writer.logprobs(out, index, logprobs)?;
        }
        let Some(reason) = candidate.finish_reason else { return Ok(()) };
        let choice = self.choices.entry(index).or_default();
        choice.finished = true;
        let reason = finish_reason(Some(&reason), choice.tool_calls > 0)?;
        self.writer.finish(out, index, reason)
    }

    fn part(&mut self, index: u64, part: Part, out: &mut Vec<u8>) -> Result<(), BadAnswer> {
        let choice = self.choices.entry(index).or_default();
        let text = part.text.unwrap_or_default();
        if part.thought && !text.is_empty() {
            let detail = choice.thought(text.clone());
            let delta = Delta { reasoning_details: &[detail], ..Delta::reasoning(&text) };
            self.writer.delta(out, index, delta)?;
        } else if !text.is_empty() {
            choice.thought = None;
            self.writer.delta(out, index, Delta { content: Some(&text), ..Delta::default() })?;
        }
        if let Some(data) = part.inline_data.filter(|_| !part.thought) {
            let images: [Value; 1] = [image(&data.mime_type, &data.data)];
            self.writer.delta(out, index, Delta { images: &images, ..Delta::default() })?;
        }
        let mut call_id = None;
        if let Some(call) = part.function_call {
            let id = self.ids.of(call.id);
            let arguments = Value::Object(call.args).to_string();
            let mut delta = ToolCallDelta::begin(choice.tool_calls, &id, &call.name, &arguments);
            delta.extra_content = part.thought_signature.as_deref().map(thought_signature);
            choice.tool_calls += 1;
            self.writer.delta(out, index, Delta { tool_calls: &[delta], ..Delta::default() })?;
            call_id = Some(id);
        }
        if let Some(signature) = part.thought_signature {
            let detail = sealed(choice.next_detail(), call_id, signature);
            let delta = Delta { reasoning_details: &[detail], ..Delta::default() };
            self.writer.delta(out, index, delta)?;
        }
        Ok(())
    }
}

impl Choice {
    /// A part of the thought under way, or the first part of a new one.
    fn thought(&mut self, text: String) -> Detail {
        match self.thought {
            Some(index) => Detail { index: Some(index), text: Some(text), ..Detail::default() },
            None => {
                let index = self.next_detail();
                self.thought = Some(index);
                thought(index, text)
            }
        }
    }

    /// Ends the thought under way.
    fn next_detail(&mut self) -> usize {
        self.thought = None;
        let index = self.details;
        self.details += 1;
        index
    }
}
