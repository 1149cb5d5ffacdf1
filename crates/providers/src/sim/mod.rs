//! `kijun-sim`: a scripted model inside Kijun, so that everything can be tried and tested without
//! a network. It says what it is, answers the same to the same request, and does on demand what
//! real models do at the worst moment. docs/kijun-sim.md is its manual.

mod chat;
mod completion;
mod conduct;
mod conversation;
mod directive;
mod embed;
mod hints;
mod moderation;
mod request;
mod schema;
mod schema_merge;
mod script;
mod stream;
mod tokens;
mod tools;
mod turn;

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kernel::catalog::{FailureClass, ProviderSpec, Timeouts};
use kernel::id::time_ordered;
use kernel::{Operation, SharedClock, SharedRng};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::rack::Deps;
use crate::{Answer, ConfigError, Failure, Outbound, Provider, UpstreamModel};
use chat::Envelope;
use completion::Completion;
use conduct::{Attempts, Content, Limits};
use conversation::Conversation;
use directive::Directives;
use request::Wrong;
use script::Reply;

/// Requests of so many bytes hold nobody up.
const AT_ONCE: usize = 256 * 1024;

/// Larger ones that are read at once.
const LARGE_AT_ONCE: usize = 2;

/// The scripted model. Clones are the same.
#[derive(Clone, Debug)]
pub struct Sim {
    timeouts: Timeouts,
    clock: SharedClock,
    rng: SharedRng,
    attempts: Arc<Attempts>,
    large: Arc<Semaphore>,
}

/// The entry in the rack.
pub(crate) fn build(spec: &ProviderSpec, deps: &Deps) -> Result<Arc<dyn Provider>, ConfigError> {
    Ok(Arc::new(Sim::new(spec, Arc::clone(&deps.clock), Arc::clone(&deps.rng))))
}

/// The day from which on the sim's answers are what they are: 2026-01-01.
const CREATED: i64 = 1_767_225_600;

impl Sim {
    /// A sim that keeps the provider's time-outs. Only ids and times come from `rng` and `clock`.
    pub fn new(spec: &ProviderSpec, clock: SharedClock, rng: SharedRng) -> Self {
        Self {
            timeouts: spec.timeouts,
            clock,
            rng,
            attempts: Arc::default(),
            large: Arc::new(Semaphore::new(LARGE_AT_ONCE)),
        }
    }

    async fn answer(&self, call: Outbound) -> Result<Answer, Failure> {
        let limits =
            Limits { timeouts: self.timeouts, end: Instant::now().checked_add(call.deadline) };
        let id = call.id.clone();
        let (directives, content) = match call.body.len() {
            ..=AT_ONCE => self.prepare(&call)?,
            _ => self.prepare_large(call).await?,
        };
        let fails = directives.fail.as_ref().is_some_and(|fail| self.attempts.fails(&id, fail));
        conduct::give(content, &directives, limits, fails).await
    }

    /// Beside the workers, whose other calls would wait for it.
    async fn prepare_large(&self, call: Outbound) -> Result<(Directives, Content), Failure> {
        let gone = || Failure::silent(FailureClass::ServerError, "kijun-sim broke off");
        let _turn = self.large.acquire().await.map_err(|_| gone())?;
        let sim = self.clone();
        let prepared = tokio::task::spawn_blocking(move || sim.prepare(&call)).await;
        Ok(prepared.map_err(|_| gone())??)
    }

    fn prepare(&self, call: &Outbound) -> Result<(Directives, Content), Wrong> {
        let body = request::read(&call.body)?;
        Ok(match call.operation {
            Operation::ChatCompletions => {
                let conversation = Conversation::read(&body)?;
                let reply = Reply::to(&conversation, &|| self.id("call_"));
                let envelope = self.envelope("chatcmpl-", call);
                let content = if call.stream {
                    let events = stream::events(envelope, &conversation, reply);
                    Content::Events(Box::new(events))
                } else {
                    Content::Whole(chat::document(&envelope, &conversation, &reply))
                };
                (conversation.directives, content)
            }
            Operation::Completions => {
                let completion = Completion::read(&body)?;
                let directives = completion.directives.clone();
                let envelope = self.envelope("cmpl-", call);
                let content = if call.stream {
                    Content::Events(Box::new(completion.events(envelope)))
                } else {
                    Content::Whole(completion.document(&envelope))
                };
                (directives, content)
            }
            Operation::Embeddings => {
                let (directives, body) = embed::answer(&body, &call.model)?;
                (directives, Content::Whole(body))
            }
            Operation::Moderations => {
                let (directives, body) = moderation::answer(&body, &self.id("modr-"))?;
                (directives, Content::Whole(body))
            }
            // `supports` says so; the gateway asks for a chat completion.
            Operation::Responses => {
                return Err(Wrong::new("model", "kijun-sim answers chat completions"));
            }
        })
    }

    fn envelope(&self, prefix: &str, call: &Outbound) -> Envelope {
        Envelope {
            id: self.id(prefix),
            created: self.clock.now().as_secs(),
            model: call.model.to_string(),
        }
    }

    fn id(&self, prefix: &str) -> String {
        time_ordered(prefix, self.clock.now(), &*self.rng)
    }
}

impl Provider for Sim {
    /// Responses are made of its chat completions.
    fn supports(&self, operation: Operation) -> bool {
        operation != Operation::Responses
    }

    fn call(&self, call: Outbound) -> BoxFuture<'_, Result<Answer, Failure>> {
        self.answer(call).boxed()
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<UpstreamModel>, Failure>> {
        let model = |id: &str| UpstreamModel {
            id: id.to_owned(),
            created: CREATED,
            owned_by: "kijun".to_owned(),
        };
        let models = ["kijun-sim", "kijun-sim-embedding", "kijun-sim-moderation"].map(model);
        std::future::ready(Ok(models.to_vec())).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AnswerBody;
    use http::HeaderMap;
    use http_body_util::BodyExt;
    use kernel::catalog::Source;
    use kernel::{Clock, Rng, Timestamp};
    use serde_json::{Value, json};
    use std::sync::Arc;
    use std::time::Duration;

    #[derive(Debug)]
    struct Fixed;

    impl Clock for Fixed {
        fn now(&self) -> Timestamp {
            Timestamp::from_secs(CREATED)
        }
    }

    impl Rng for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    fn sim() -> Sim {
        let spec = ProviderSpec {
            name: "sim".to_owned(),
            kind: "sim".to_owned(),
            base_url: None,
            api_key: None,
            quirks: None,
            api_version: None,
            headers: Default::default(),
            timeouts: Timeouts::default(),
            max_concurrent: None,
            discover: true,
            source: Source::BuiltIn,
        };
        Sim::new(&spec, Arc::new(Fixed), Arc::new(Fixed))
    }

    fn outbound(operation: Operation, body: &Value) -> Outbound {
        Outbound {
            id: "req_1".into(),
            operation,
            model: "anything".into(),
            stream: body["stream"] == true,
            body: body.to_string().into(),
            headers: HeaderMap::new(),
            deadline: Duration::MAX,
        }
    }

    async fn text(answer: Answer) -> String {
        let bytes = match answer.body {
            AnswerBody::Whole { document, .. } => document,
            AnswerBody::Events(events) => events.collect().await.unwrap().to_bytes(),
        };
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn every_operation_answers_under_any_name() {
        let bodies = [
            (Operation::ChatCompletions, json!({"messages": [{"role": "user", "content": "Hi"}]})),
            (Operation::Completions, json!({"prompt": "Hi"})),
            (Operation::Embeddings, json!({"input": "Hi"})),
            (Operation::Moderations, json!({"input": "Hi"})),
        ];
        for (operation, body) in bodies {
            assert!(sim().supports(operation));
            let answer = text(sim().call(outbound(operation, &body)).await.unwrap()).await;
            let answer: Value = serde_json::from_str(&answer).unwrap();
            let expected = match operation {
                Operation::Moderations => "kijun-sim-moderation (scripted: it judges nothing)",
                _ => "anything",
            };
            assert_eq!(answer["model"], expected, "{operation}");
        }
    }

    #[tokio::test]
    async fn the_same_request_is_answered_alike() {
        let body = json!({"messages": [{"role": "user", "content": "Hi"}], "stream": true});
        let (one, other) = (sim(), sim());
        let one = text(one.call(outbound(Operation::ChatCompletions, &body)).await.unwrap()).await;
        let other =
            text(other.call(outbound(Operation::ChatCompletions, &body)).await.unwrap()).await;
        assert_eq!(one, other);
        assert!(one.contains("\"id\":\"chatcmpl-") && one.contains("\"created\":1767225600"));
        assert!(one.ends_with("data: [DONE]\n\n"));
    }

    #[tokio::test]
    async fn a_request_that_fails_once_succeeds_when_it_is_tried_again() {
        let sim = sim();
        let content = "sim: fail 503 times=1\nHi";
        let body = json!({"messages": [{"role": "user", "content": content}]});
        let failure = sim.call(outbound(Operation::ChatCompletions, &body)).await.err().unwrap();
        assert_eq!(failure.class, FailureClass::Overloaded);
        assert!(sim.call(outbound(Operation::ChatCompletions, &body)).await.is_ok());
    }

    #[tokio::test]
    async fn a_body_that_is_no_json_is_the_callers_mistake() {
        let mut call = outbound(Operation::ChatCompletions, &Value::Null);
        call.body = "{".into();
        let failure = sim().call(call).await.err().unwrap();
        assert_eq!(failure.class, FailureClass::InvalidRequest);
        assert_eq!(failure.said.unwrap().status, 400);
    }

    #[tokio::test]
    async fn a_large_request_holds_up_no_worker() {
        let sim = sim();
        let content = "x".repeat(AT_ONCE);
        let body = json!({"messages": [{"role": "user", "content": content}]});
        let call = || sim.call(outbound(Operation::ChatCompletions, &body));
        assert!(call().now_or_never().is_none(), "another thread does it");
        assert!(text(call().await.unwrap()).await.contains("kijun-sim"));
    }

    #[tokio::test]
    async fn it_lists_its_models() {
        let models = sim().models().await.unwrap();
        assert_eq!(models.len(), 3);
        assert_eq!(models[0].id, "kijun-sim");
    }
}
