//! A run: the making of one response, from its call to its last event.
//!
//! It is the same for a whole answer, a stream, a background response and a turn on a WebSocket.
//! Whoever drives it asks for the [`next`](Run::next) events; before the last ones are handed out,
//! the response is kept.

use std::sync::Arc;

use admission::RateLimitHeaders;
use bytes::Bytes;
use gateway::room::Room;
use gateway::{Identified, Inbound, Refusal, ReplyBody, tokenizer};
use http::HeaderMap;
use kernel::{BatchId, Operation, RequestId, ResponseId, Scope, Timestamp, Usage};
use serde_json::Value;
use store::{ResponseStatus, Sealer};
use wire::error::ErrorBody;
use wire::responses::{CreateRequest, Ending, Event, Opening, Source, Synthesis};

use crate::asked::{Asked, forget_spent};
use crate::engine::{Engine, Responses};
use crate::keeping::Keeping;
use crate::live::Log;
use crate::shorten::{is_too_long, shorten};
use crate::socket::Memory;
use crate::state::State;
use crate::upstream::Upstream;
use crate::{Refused, context, opaque};

/// Bytes of a provider's stream beyond which its answer is given up.
const LONGEST_ANSWER: u64 = 64 * 1024 * 1024;

/// One response in the making.
pub(crate) struct Run {
    pub(crate) engine: Arc<Engine>,
    pub(crate) caller: Identified,
    pub(crate) request: CreateRequest,
    pub(crate) id: ResponseId,
    pub(crate) state: State,
    pub(crate) call: Call,
    pub(crate) created_at: Timestamp,
    sealer: Sealer,
    /// What the model is given to read.
    pub(crate) items: Vec<Value>,
    pub(crate) synthesis: Synthesis,
    pub(crate) upstream: Option<Upstream>,
    /// Whether the provider sees to it that the answer fits a schema.
    pub(crate) enforced: bool,
    pub(crate) keeping: Keeping,
    pub(crate) phase: Phase,
    /// The log that a background stream is written down in.
    pub(crate) log: Option<Log>,
    /// Bytes of the provider's stream so far.
    read_bytes: u64,
}

/// The call that a run makes.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) id: RequestId,
    pub(crate) arrived: Timestamp,
    pub(crate) headers: HeaderMap,
    pub(crate) batch: Option<BatchId>,
    /// The room of its body.
    pub(crate) _room: Option<Arc<Room>>,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    New,
    Open,
    Begun,
    Over,
}

/// What came of reading on.
pub(crate) enum Step {
    /// Events.
    Events(Vec<Event>),
    /// The last events before the end, and how it ends.
    End(Vec<Event>, Ending),
}

/// What the head of an answer says.
pub(crate) struct Opened {
    pub(crate) headers: HeaderMap,
    pub(crate) limits: RateLimitHeaders,
}

impl Run {
    /// Gets a response ready to be made.
    pub(crate) async fn begin(
        responses: &Responses,
        caller: Identified,
        request: CreateRequest,
        asked: Asked,
        memory: Option<&Memory>,
    ) -> Result<Self, Refused> {
        let engine = responses.engine();
        let keeps = request.store.unwrap_or(true) && !caller.retention().zero;
        if request.conversation.is_some() && caller.retention().zero {
            return Err(Refused::zero_data_retention("a conversation"));
        }
        let id = ResponseId::new(engine.clock.now(), &*engine.rng);
        let state = State::of(engine, &caller.scope(), &request, &id, memory).await?;
        let keeping = if keeps { Keeping::Insert } else { Keeping::Nothing };
        let Asked { id: call, arrived, headers, batch, room, .. } = asked;
        let call = Call { id: call, arrived, headers, batch, _room: room.map(Arc::new) };
        Self::with(responses, caller, request, call, id, engine.clock.now(), state, keeping).await
    }

    /// A run of all these parts.
    #[expect(clippy::too_many_arguments, reason = "two callers, each with all of them at hand")]
    pub(crate) async fn with(
        responses: &Responses,
        caller: Identified,
        request: CreateRequest,
        mut call: Call,
        id: ResponseId,
        created_at: Timestamp,
        state: State,
        keeping: Keeping,
    ) -> Result<Self, Refused> {
        let engine = Arc::clone(responses.engine());
        forget_spent(&mut call.headers);
        let scope = caller.scope();
        let sealer = engine.store.sealer(&caller.owner().project).await?;
        let items = context::prepare(&engine, &scope, &sealer, state.whole()).await?;
        let mut echo = request.echo();
        echo.insert("store".to_owned(), Value::Bool(keeping != Keeping::Nothing));
        let (ids, whose, seal) = (Arc::clone(&engine), id.clone(), sealer.clone());
        let synthesis = Synthesis::new(Opening {
            id: id.as_str().to_owned(),
            created_at: created_at.as_secs(),
            echo,
            tools: request.tool_names(),
            new_id: Box::new(move |prefix| ids.item_id(prefix, &whose)),
            seal: Box::new(move |private| opaque::seal(&seal, private)),
        });
        Ok(Self {
            engine,
            caller,
            request,
            id,
            state,
            call,
            created_at,
            sealer,
            items,
            synthesis,
            upstream: None,
            enforced: false,
            keeping,
            phase: Phase::New,
            log: None,
            read_bytes: 0,
        })
    }

    /// Makes the call. Until this returns, nothing of an answer was sent.
    pub(crate) async fn open(&mut self, stream: bool) -> Result<Opened, Refused> {
        let reply = loop {
            match self.ask(&self.items, stream, self.call.id.clone()).await {
                Ok(reply) => break reply,
                Err(refusal)
                    if self.request.truncation_auto
                        && is_too_long(&refusal)
                        && shorten(&mut self.items) =>
                {
                    self.new_call();
                }
                Err(refusal) => return Err(refusal.into()),
            }
        };
        self.synthesis.answered_by(&reply.provider);
        self.enforced = reply.enforces_schemas;
        if stream && self.request.strict_schema().is_some() && !self.enforced {
            self.synthesis.hold_text();
        }
        let source = source_of(reply.format);
        self.upstream = Some(Upstream::new(source, reply.body));
        self.phase = Phase::Open;
        Ok(Opened { headers: reply.headers, limits: reply.limits })
    }

    /// Asks the model, by the way that every call goes.
    pub(crate) fn ask(
        &self,
        items: &[Value],
        stream: bool,
        id: RequestId,
    ) -> impl Future<Output = Result<gateway::Reply, Refusal>> + Send + use<> {
        // A repair has all of its time before it.
        let first = id == self.call.id;
        let arrived = if first { self.call.arrived } else { self.engine.clock.now() };
        let inbound = Inbound {
            id,
            arrived,
            operation: Operation::Responses,
            headers: self.call.headers.clone(),
            body: Bytes::from(self.request.upstream(items, stream)),
            room: None,
            response: Some(self.id.clone()),
            batch: self.call.batch.clone(),
        };
        let (gateway, caller) = (Arc::clone(&self.engine.gateway), self.caller.clone());
        async move { gateway.answer(caller, inbound).await }
    }

    /// The answer of an opened run that is no stream.
    pub(crate) async fn whole(self) -> Result<Bytes, Refused> {
        let mut run = self.read_whole()?;
        run.over(Ending::Said).await;
        Ok(Bytes::from(run.response().to_string()))
    }

    /// Reads the answer of an opened run that is no stream.
    pub(crate) fn read_whole(mut self) -> Result<Self, Refused> {
        let Some(Upstream { source, body: ReplyBody::Whole(document), .. }) = self.upstream.take()
        else {
            return Err(Refused::bad_answer());
        };
        self.synthesis.whole(source, &document).map_err(|_| Refused::bad_answer())?;
        Ok(self)
    }

    /// Another attempt is another call, with a record of its own.
    pub(crate) fn new_call(&mut self) {
        self.call.id = RequestId::new(self.engine.clock.now(), &*self.engine.rng);
        self.call.arrived = self.engine.clock.now();
    }

    /// The next events; none after the last.
    pub(crate) async fn next(&mut self) -> Option<Vec<Event>> {
        match self.step().await? {
            Step::Events(events) => Some(events),
            Step::End(mut events, ending) => {
                events.extend(self.over(ending).await);
                Some(events)
            }
        }
    }

    /// Reads what comes next. Dropping this loses nothing that was read, unlike dropping
    /// [`over`](Self::over), which must come to its end.
    pub(crate) async fn step(&mut self) -> Option<Step> {
        match self.phase {
            Phase::New | Phase::Over => return None,
            Phase::Open => {
                self.phase = Phase::Begun;
                return Some(Step::Events(self.synthesis.begin()));
            }
            Phase::Begun => {}
        }
        loop {
            let Some(upstream) = &mut self.upstream else {
                return Some(Step::End(Vec::new(), Ending::Failed(lost())));
            };
            let source = upstream.source;
            let Some(piece) = upstream.events().await else {
                return Some(Step::End(Vec::new(), self.as_said()));
            };
            self.read_bytes += piece.iter().map(|event| event.len() as u64).sum::<u64>();
            if self.read_bytes > LONGEST_ANSWER {
                return Some(Step::End(Vec::new(), Ending::Failed(too_long())));
            }
            let mut events = Vec::new();
            for raw in piece {
                match self.synthesis.read(source, &raw) {
                    Ok(read) => events.extend(read),
                    Err(_bad) => return Some(Step::End(events, Ending::Failed(not_understood()))),
                }
            }
            if self.synthesis.upstream_done() || self.synthesis.upstream_error().is_some() {
                return Some(Step::End(events, self.as_said()));
            }
            if !events.is_empty() {
                return Some(Step::Events(events));
            }
        }
    }

    /// How the upstream's stream ended by its own word.
    fn as_said(&self) -> Ending {
        match self.synthesis.upstream_error() {
            Some(error) => Ending::Failed(error.clone()),
            None if self.synthesis.upstream_done() => Ending::Said,
            None => Ending::Failed(lost()),
        }
    }

    /// Brings the response to its end: what is open is closed, and it is kept before anybody hears
    /// that it is complete.
    pub(crate) async fn over(&mut self, ending: Ending) -> Vec<Event> {
        if let Some(upstream) = self.upstream.take() {
            upstream.end();
        }
        let ending = match ending {
            Ending::Said => self.repaired().await,
            other => other,
        };
        if self.synthesis.usage_missing() {
            let usage = self.counted();
            self.synthesis.set_usage(&usage);
        }
        let mut events = self.synthesis.conclude(ending, self.engine.clock.now().as_secs());
        self.phase = Phase::Over;
        match self.keep(&events).await {
            Ok(true) => {}
            // Somebody else has ended it, and says how.
            Ok(false) => events.retain(|event| !event.is_terminal()),
            Err(error) => {
                tracing::error!(id = %self.id, %error, "a response could not be kept and is gone once it is sent");
                self.keeping = Keeping::Nothing;
                for event in events.iter_mut().filter(|event| event.is_terminal()) {
                    if let Some(store) = event.body.pointer_mut("/response/store") {
                        *store = Value::Bool(false);
                    }
                }
            }
        }
        events
    }

    /// The response as it stands.
    pub(crate) fn response(&self) -> Value {
        let mut response = self.synthesis.response();
        if self.keeping == Keeping::Nothing
            && let Some(store) = response.get_mut("store")
        {
            *store = Value::Bool(false);
        }
        response
    }

    /// What the next response of a chain stands on, for a connection that remembers it.
    pub(crate) fn context_after(&self) -> Vec<Value> {
        let mut whole = self.state.whole();
        whole.extend(self.synthesis.output());
        whole
    }

    /// Tokens, counted here.
    fn counted(&self) -> Usage {
        let (model, body) = (&self.request.model, self.request.upstream(&self.items, false));
        let output: String = self.synthesis.output().iter().map(text_of).collect();
        Usage {
            input: tokenizer::count_request(model, Operation::Responses, &body),
            output: tokenizer::count_text(model, &output),
            estimated: true,
            ..Usage::default()
        }
    }

    pub(crate) fn scope(&self) -> Scope {
        self.caller.scope()
    }

    pub(crate) fn sealer(&self) -> &Sealer {
        &self.sealer
    }
}

fn source_of(format: Operation) -> Source {
    match format {
        Operation::Responses => Source::Native,
        _ => Source::Chat,
    }
}

/// The status that a response says of itself.
pub(crate) fn status_of(response: &Value) -> ResponseStatus {
    let status = response.get("status").cloned().unwrap_or_default();
    serde_json::from_value(status).unwrap_or(ResponseStatus::Failed)
}

/// What the model wrote in an item.
pub(crate) fn text_of(item: &Value) -> String {
    let parts = |name: &str| item.get(name).and_then(Value::as_array).into_iter().flatten();
    let texts = parts("content").chain(parts("summary"));
    let text = texts.filter_map(|part| part.get("text").or(part.get("refusal"))?.as_str());
    let fields = ["name", "arguments", "input"].into_iter();
    text.chain(fields.filter_map(|field| item.get(field)?.as_str())).collect()
}

fn lost() -> ErrorBody {
    ErrorBody::server_error("the provider's connection was lost in the middle of its answer")
}

fn too_long() -> ErrorBody {
    ErrorBody::server_error("the provider's answer is longer than this node accepts")
}

fn not_understood() -> ErrorBody {
    ErrorBody::server_error("the provider sent something that is not understood")
}
