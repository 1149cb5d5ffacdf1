//! One line: asked until it has its answer, its batch's time is over, or the node is to stop.

use std::sync::Arc;
use std::time::Duration;

use admission::RateLimitHeaders;
use gateway::{Identified, Inbound, Refusal};
use http::{HeaderMap, StatusCode};
use kernel::{Operation, RequestId, Usage};
use responses::{Asked, Created, CreatedBody, Refused};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use store::{Batch, NewBatchResult};
use tokio::sync::watch;
use tokio::time::sleep;
use wire::error::ErrorBody;

use crate::batches::{Orders, owner};
use crate::line::{Answer, Line, LineIds, answered, expired};
use crate::pace::Pace;
use crate::{Batches, Endpoint};

/// How often a line is asked again after a fault that is nobody's business to wait for.
const MOST_FAULTS: u32 = 3;

/// What a line needs to be answered. One for all lines of a batch on this node.
#[derive(Clone)]
pub(crate) struct Asker {
    pub(crate) batches: Batches,
    pub(crate) batch: Arc<Batch>,
    pub(crate) endpoint: Endpoint,
    pub(crate) pace: Arc<Pace>,
    pub(crate) orders: watch::Receiver<Orders>,
}

/// What came of asking once.
struct Said {
    status: StatusCode,
    /// A JSON document.
    body: Vec<u8>,
    limits: RateLimitHeaders,
    verdict: Verdict,
    /// Whether the call has a record, so that the next one needs an id of its own.
    recorded: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It is the line's answer.
    Final,
    /// Not now; perhaps after so long.
    Busy(Option<Duration>),
    /// Something broke that may work the next time.
    Fault,
    /// This node does not ask any more.
    Stopping,
}

impl Asker {
    /// Answers a line. `None`: it is left to another node, or a later start.
    pub(crate) async fn answer(mut self, line: Line) -> Option<NewBatchResult> {
        let ids = LineIds::new(&self.batch.id, line.number);
        if let Some(refusal) = impossible(&line.body) {
            let (status, body) = (StatusCode::BAD_REQUEST, refusal.to_json());
            let answer = Answer { status, call: ids.call(1), body };
            return Some(result(&line, &ids, &answer));
        }
        let pace = Arc::clone(&self.pace);
        let places = Arc::clone(&self.batches.places);
        let (mut attempt, mut faults) = (1, 0);
        loop {
            let left = self.batch.expires_at.since(self.batches.clock.now());
            if left.is_zero() {
                return Some(late(&line, &ids));
            }
            // The turn first: who waits for one must not hold a place that others could use.
            let allowed = async {
                let turn = pace.turn().await;
                (turn, places.acquire().await)
            };
            let (turn, _place) = tokio::select! {
                biased;
                () = ended(&mut self.orders) => return None,
                () = sleep(left) => return Some(late(&line, &ids)),
                allowed = allowed => allowed,
            };
            let call = ids.call(attempt);
            let said = self.ask(&line, call.clone()).await;
            let Said { status, body, limits, verdict, recorded } = said;
            attempt += u32::from(recorded);
            match verdict {
                Verdict::Stopping => return None,
                Verdict::Busy(after) => turn.refused(after, &*self.batches.rng),
                Verdict::Fault if faults < MOST_FAULTS => {
                    faults += 1;
                    turn.refused(None, &*self.batches.rng);
                }
                Verdict::Final | Verdict::Fault => {
                    turn.answered(&limits);
                    return Some(result(&line, &ids, &Answer { status, call, body }));
                }
            }
        }
    }

    async fn ask(&self, line: &Line, id: RequestId) -> Said {
        match self.batches.gateway.on_behalf(&owner(&self.batch)) {
            Err(refusal) => refused(&refusal),
            Ok(caller) => said(self.call(caller, line, id).await),
        }
    }

    /// Makes the call by the door that it would come in by, so that what is to be kept is kept.
    async fn call(
        &self,
        caller: Identified,
        line: &Line,
        id: RequestId,
    ) -> Result<Created, Refused> {
        let (arrived, headers) = (self.batches.clock.now(), HeaderMap::new());
        let (body, batch) = (line.body.clone(), Some(self.batch.id.clone()));
        let operation = self.endpoint.operation();
        if operation == Operation::Responses {
            let asked = Asked { id, arrived, headers, body, room: None, batch };
            return self.batches.responses.create(caller, asked).await;
        }
        let (room, response) = (None, None);
        let inbound = Inbound { id, arrived, operation, headers, body, room, response, batch };
        let gateway = &self.batches.gateway;
        match operation {
            Operation::ChatCompletions => self.batches.chats.create(gateway, caller, inbound).await,
            _ => Ok(gateway.answer(caller, inbound).await?.into()),
        }
    }
}

/// What came of a call.
fn said(created: Result<Created, Refused>) -> Said {
    match created {
        Err(Refused::Call(refusal)) => refused(&refusal),
        Err(other) => {
            let status = status(other.status());
            let verdict = match status {
                // The database does not answer: that passes, and is nobody's fault.
                StatusCode::SERVICE_UNAVAILABLE => Verdict::Busy(None),
                status if status.is_server_error() => Verdict::Fault,
                _ => Verdict::Final,
            };
            let body = other.error().to_json();
            let limits = RateLimitHeaders::default();
            Said { status, body, limits, verdict, recorded: true }
        }
        Ok(created) => match created.body {
            CreatedBody::Whole(body) => Said {
                status: created.status,
                body: body.to_vec(),
                limits: created.limits,
                verdict: Verdict::Final,
                recorded: true,
            },
            CreatedBody::Replay(_) | CreatedBody::Events(_) => unasked_stream(),
        },
    }
}

/// Waits until the work is to end.
async fn ended(orders: &mut watch::Receiver<Orders>) {
    // It fails when nobody gives orders any more: then nothing runs any more, either.
    let _ = orders.wait_for(Option::is_some).await;
}

/// Why a line cannot be answered in a batch, whatever the model.
fn impossible(body: &[u8]) -> Option<ErrorBody> {
    #[derive(Deserialize)]
    struct Ways {
        #[serde(default)]
        stream: Value,
        #[serde(default)]
        background: Value,
    }
    // What cannot be read is refused where it is asked, with a better reason.
    let ways: Ways = serde_json::from_slice(body).ok()?;
    let way = match (&ways.stream, &ways.background) {
        (Value::Bool(true), _) => "stream",
        (_, Value::Bool(true)) => "background",
        _ => return None,
    };
    let message = format!("A line of a batch is answered whole: leave `{way}` out of its body.");
    Some(ErrorBody::invalid_request(message).at(way).coded("unsupported_parameter"))
}

fn refused(refusal: &Refusal) -> Said {
    let status = status(refusal.status());
    let error = refusal.error();
    let verdict = match refusal {
        Refusal::Stopping => Verdict::Stopping,
        Refusal::Admission(admission::Refusal::LimitReached(reached)) => {
            Verdict::Busy(Some(reached.retry_after))
        }
        Refusal::NoTarget { .. } => Verdict::Busy(None),
        Refusal::Upstream(failure) => {
            let headers = failure.said.as_ref().map(|said| &said.headers);
            upstream(status, error.code.as_deref(), headers.and_then(retry_after))
        }
        _ => Verdict::Final,
    };
    // These are refused before they are admitted.
    let recorded = matches!(refusal, Refusal::NoTarget { .. } | Refusal::Upstream(_));
    Said { status, body: error.to_json(), limits: RateLimitHeaders::default(), verdict, recorded }
}

/// What a provider's refusal says about trying again.
fn upstream(status: StatusCode, code: Option<&str>, after: Option<Duration>) -> Verdict {
    match status.as_u16() {
        // An account without money does not get any by waiting.
        429 if code == Some("insufficient_quota") => Verdict::Final,
        // 529 is Anthropic's word for being overloaded.
        429 | 503 | 529 => Verdict::Busy(after),
        408 | 409 | 500.. => Verdict::Fault,
        _ => Verdict::Final,
    }
}

/// The provider's `retry-after`, in seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let secs: f64 = headers.get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(secs).ok()
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A stream that nobody asked for.
fn unasked_stream() -> Said {
    let error = ErrorBody {
        message: "the provider streamed an answer that was to be whole".to_owned(),
        kind: "server_error".to_owned(),
        param: None,
        code: Some("upstream_error".to_owned()),
    };
    Said {
        status: StatusCode::BAD_GATEWAY,
        body: error.to_json(),
        limits: RateLimitHeaders::default(),
        verdict: Verdict::Fault,
        recorded: true,
    }
}

fn result(line: &Line, ids: &LineIds, answer: &Answer) -> NewBatchResult {
    let usage = usage(&answer.body);
    let (body, failed) = answered(ids, &line.custom_id, answer);
    NewBatchResult { slice: line.slice, line: line.number, failed, expired: false, body, usage }
}

fn late(line: &Line, ids: &LineIds) -> NewBatchResult {
    NewBatchResult {
        slice: line.slice,
        line: line.number,
        failed: true,
        expired: true,
        body: expired(ids, &line.custom_id),
        usage: Usage::default(),
    }
}

/// What an answer says that it used.
fn usage(body: &[u8]) -> Usage {
    #[derive(Deserialize)]
    struct Said<'a> {
        #[serde(borrow)]
        usage: Option<&'a RawValue>,
    }
    let said: Option<Said<'_>> = serde_json::from_slice(body).ok();
    let usage = said.and_then(|said| wire::usage::read(said.usage?.get().as_bytes()));
    usage.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_later_is_tried_again() {
        let after = Some(Duration::from_secs(7));
        for (code, word, verdict) in [
            (429, None, Verdict::Busy(after)),
            (429, Some("rate_limit_exceeded"), Verdict::Busy(after)),
            (429, Some("insufficient_quota"), Verdict::Final),
            (503, None, Verdict::Busy(after)),
            (529, None, Verdict::Busy(after)),
            (500, None, Verdict::Fault),
            (504, None, Verdict::Fault),
            (400, None, Verdict::Final),
            (404, None, Verdict::Final),
        ] {
            assert_eq!(upstream(status(code), word, after), verdict, "{code} {word:?}");
        }
    }

    #[test]
    fn a_line_is_neither_streamed_nor_left_for_later() {
        for (body, at) in [
            (r#"{"stream":true}"#, Some("stream")),
            (r#"{"stream":false,"background":true}"#, Some("background")),
            (r#"{"stream":null,"background":false}"#, None),
            (r#"{"model":"m"}"#, None),
            ("[]", None),
        ] {
            assert_eq!(impossible(body.as_bytes()).and_then(|e| e.param).as_deref(), at, "{body}");
        }
    }

    #[test]
    fn usage_is_read_from_any_answer() {
        let chat =
            usage(br#"{"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#);
        assert_eq!((chat.input, chat.output), (3, 4));
        let response = br#"{"usage":{"input_tokens":5,"input_tokens_details":{"cached_tokens":2},
            "output_tokens":6,"output_tokens_details":{"reasoning_tokens":1},"total_tokens":11}}"#;
        let response = usage(response);
        assert_eq!((response.input_cached, response.output_reasoning), (2, 1));
        for nothing in ["{}", "null", "[1]", r#"{"usage":null}"#] {
            assert_eq!(usage(nothing.as_bytes()), Usage::default());
        }
    }
}
