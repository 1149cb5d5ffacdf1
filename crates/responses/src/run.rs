//! A run: the making of one response, from its call to its last event.
//!
//! It is the same for a whole answer, a stream, a background response and a turn on a WebSocket.
//! Whoever drives it asks for the [`next`](Run::next) events; before the last ones are handed out,
//! the response is kept.

use std::sync::Arc;

use admission::RateLimitHeaders;
use bytes::Bytes;
use gateway::{Identified, Inbound, Refusal, ReplyBody, tokenizer};
use http::HeaderMap;
use kernel::{BatchId, Operation, RequestId, ResponseId, Scope, Timestamp, Usage};
use serde_json::Value;
use store::{NewItem, ResponseRow, ResponseStatus, Sealer};
use wire::error::ErrorBody;
use wire::responses::{CreateRequest, Ending, Event, Opening, Source, Synthesis};

use crate::asked::Asked;
use crate::engine::{Engine, Responses};
use crate::keep::Kept;
use crate::shorten::{is_too_long, shorten};
use crate::socket::Memory;
use crate::state::State;
use crate::upstream::Upstream;
use crate::{Refused, context, opaque};

/// One response in the making.
pub(crate) struct Run {
    pub(crate) engine: Arc<Engine>,
    pub(crate) caller: Identified,
    pub(crate) request: CreateRequest,
    pub(crate) id: ResponseId,
    pub(crate) state: State,
    call: Call,
    created_at: Timestamp,
    sealer: Sealer,
    /// What the model is given to read.
    pub(crate) items: Vec<Value>,
    pub(crate) synthesis: Synthesis,
    upstream: Option<Upstream>,
    /// Whether the provider sees to it that the answer fits a schema.
    pub(crate) enforced: bool,
    keeping: Keeping,
    phase: Phase,
}

/// The call that a run makes.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) id: RequestId,
    pub(crate) arrived: Timestamp,
    pub(crate) headers: HeaderMap,
    pub(crate) batch: Option<BatchId>,
}

/// What becomes of the response in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// Nothing of it is kept.
    Nothing,
    /// A row is made when it is over.
    Insert,
    /// Its row is there and is finished.
    Finish,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    Open,
    Begun,
    Over,
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
        let Asked { id: call, arrived, headers, batch, .. } = asked;
        let call = Call { id: call, arrived, headers, batch };
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
        // It is claimed for the response, not for the call.
        call.headers.remove("idempotency-key");
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
        let inbound = Inbound {
            id,
            arrived: self.call.arrived,
            operation: Operation::Responses,
            headers: self.call.headers.clone(),
            body: Bytes::from(self.request.upstream(items, stream)),
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
        match self.phase {
            Phase::New | Phase::Over => return None,
            Phase::Open => {
                self.phase = Phase::Begun;
                return Some(self.synthesis.begin());
            }
            Phase::Begun => {}
        }
        let ending = loop {
            let Some(upstream) = &mut self.upstream else { break Ending::Failed(lost()) };
            let source = upstream.source;
            let Some(piece) = upstream.events().await else { break self.as_said() };
            let mut events = Vec::new();
            for raw in piece {
                match self.synthesis.read(source, &raw) {
                    Ok(read) => events.extend(read),
                    Err(_bad) => {
                        events.extend(self.over(Ending::Failed(not_understood())).await);
                        return Some(events);
                    }
                }
            }
            if self.synthesis.upstream_done() || self.synthesis.upstream_error().is_some() {
                let ending = self.as_said();
                events.extend(self.over(ending).await);
                return Some(events);
            }
            if !events.is_empty() {
                return Some(events);
            }
        };
        Some(self.over(ending).await)
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
        match self.keep().await {
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

    /// Keeps the response. False: its row was ended by somebody else.
    async fn keep(&mut self) -> Result<bool, store::StoreError> {
        let response = self.response();
        let row = match self.keeping {
            Keeping::Nothing => return Ok(true),
            Keeping::Insert => self.row(&response, None),
            Keeping::Finish => {
                let (items, now) = (self.new_items(), self.engine.clock.now());
                let (scope, status) = (self.caller.scope(), status_of(&response));
                let body = response.to_string().into_bytes();
                let store = &self.engine.store;
                return store
                    .response_finish(&scope, &self.id, status, Some(now), &body, &items)
                    .await;
            }
        };
        let kept = Kept { row, items: self.new_items(), lease: None };
        self.engine.keeper.keep(kept).await.map(|()| true)
    }

    /// The row of this response.
    pub(crate) fn row(&self, response: &Value, request: Option<Vec<u8>>) -> ResponseRow {
        let owner = self.caller.owner();
        let status = status_of(response);
        ResponseRow {
            id: self.id.clone(),
            organization: owner.organization.clone(),
            project: owner.project.clone(),
            api_key: owner.key.clone(),
            service_account: owner.service_account.clone(),
            call: self.call.id.clone(),
            created_at: self.created_at,
            completed_at: status.is_final().then(|| self.engine.clock.now()),
            model: self.request.model.clone(),
            status,
            background: self.request.background,
            streamed: self.request.stream,
            previous: self.state.previous.clone(),
            conversation: self.state.conversation.clone(),
            input: Value::Array(self.state.input.clone()).to_string().into_bytes(),
            body: response.to_string().into_bytes(),
            request,
        }
    }

    /// What its conversation gets.
    fn new_items(&self) -> Vec<NewItem> {
        if self.state.conversation.is_none() {
            return Vec::new();
        }
        let output = self.synthesis.output();
        let items = self.state.input.iter().chain(&output);
        items
            .filter_map(|item| {
                let id = item.get("id")?.as_str()?.to_owned();
                Some(NewItem { id, body: item.to_string().into_bytes() })
            })
            .collect()
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

impl Drop for Run {
    /// The client hung up in the middle: what there is is kept, as cancelled.
    fn drop(&mut self) {
        if self.phase != Phase::Begun || self.keeping != Keeping::Insert {
            return;
        }
        // Closes the provider's connection and settles the call first.
        self.upstream = None;
        self.synthesis.conclude(Ending::Cancelled, self.engine.clock.now().as_secs());
        let row = self.row(&self.response(), None);
        let kept = Kept { row, items: Vec::new(), lease: None };
        let engine = Arc::clone(&self.engine);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = engine.keeper.keep(kept).await {
                    tracing::warn!(%error, "a response that was hung up on could not be kept");
                }
            });
        }
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

/// A failure of the provider in the middle of its answer.
pub(crate) fn fault(code: &str, message: &str) -> ErrorBody {
    ErrorBody {
        message: message.to_owned(),
        kind: "server_error".to_owned(),
        param: None,
        code: Some(code.to_owned()),
    }
}

fn lost() -> ErrorBody {
    fault("server_error", "the provider's connection was lost in the middle of its answer")
}

fn not_understood() -> ErrorBody {
    fault("server_error", "the provider sent something that is not understood")
}
