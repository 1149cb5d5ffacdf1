//! Structured output from providers that do not see to it themselves: an answer that does not fit
//! its strict schema is asked for again, with what is wrong, a few times at most.

use gateway::ReplyBody;
use kernel::{RequestId, Usage};
use serde_json::{Value, json};
use wire::error::ErrorBody;
use wire::meter;
use wire::responses::Ending;

use crate::run::Run;
use crate::validate::fits;

/// How often an answer is asked for again.
const MOST_REPAIRS: usize = 2;

impl Run {
    /// How the answer ends once its text fits its schema, or cannot be made to.
    pub(crate) async fn repaired(&mut self) -> Ending {
        let Some(schema) = self.request.strict_schema().cloned() else { return Ending::Said };
        if self.enforced || self.synthesis.is_incomplete() {
            return Ending::Said;
        }
        // A refusal and a tool call are answers of their own.
        let Some(mut text) = answer(&self.synthesis.output()) else { return Ending::Said };
        let mut spent = self.synthesis.usage().unwrap_or_default();
        for _ in 0..MOST_REPAIRS {
            let Err(why) = fits(&schema, &text) else { return Ending::Said };
            let Some((better, usage)) = self.ask_again(&text, &why).await else { break };
            self.synthesis.replace_text(better.clone());
            text = better;
            spent = sum(&spent, &usage);
            self.synthesis.set_usage(&spent);
        }
        match fits(&schema, &text) {
            Ok(()) => Ending::Said,
            Err(_) => Ending::Failed(ErrorBody::server_error(
                "the model did not give an answer that fits the JSON schema",
            )),
        }
    }

    /// Asks for a better answer than this text; what comes of it, and what it used.
    fn ask_again(
        &self,
        text: &str,
        why: &str,
    ) -> impl Future<Output = Option<(String, Usage)>> + Send + use<> {
        let mut items = self.items.clone();
        items.push(json!({
            "type": "message", "role": "assistant",
            "content": [{"type": "output_text", "text": text, "annotations": []}],
        }));
        items.push(json!({
            "type": "message", "role": "user",
            "content": [{"type": "input_text", "text": format!(
                "Your answer does not fit the JSON schema that was asked for. {why} Answer again \
                 with nothing but the whole corrected JSON."
            )}],
        }));
        let id = RequestId::new(self.engine.clock.now(), &*self.engine.rng);
        let reply = self.ask(&items, false, id);
        async move {
            let ReplyBody::Whole(document) = reply.await.ok()?.body else { return None };
            let usage = meter::read_whole(&document).ok().flatten().unwrap_or_default();
            let said: Value = serde_json::from_slice(&document).ok()?;
            let text = match said.get("output").and_then(Value::as_array) {
                Some(output) => answer(output)?,
                None => said.pointer("/choices/0/message/content")?.as_str()?.to_owned(),
            };
            Some((text, usage))
        }
    }
}

/// The text of the answer's message.
pub(crate) fn answer(output: &[Value]) -> Option<String> {
    let messages = output.iter().filter(|item| item.get("type") == Some(&json!("message")));
    let parts = messages.filter_map(|item| item.get("content")?.as_array()).flatten();
    let texts: Vec<&str> = parts.filter_map(|part| part.get("text")?.as_str()).collect();
    (!texts.is_empty()).then(|| texts.concat())
}

fn sum(one: &Usage, other: &Usage) -> Usage {
    Usage {
        input: one.input + other.input,
        input_cached: one.input_cached + other.input_cached,
        input_cache_write: one.input_cache_write + other.input_cache_write,
        input_audio: one.input_audio + other.input_audio,
        input_image: one.input_image + other.input_image,
        output: one.output + other.output,
        output_reasoning: one.output_reasoning + other.output_reasoning,
        output_audio: one.output_audio + other.output_audio,
        estimated: one.estimated || other.estimated,
    }
}
