//! How an answer is given, whatever it says: late, slowly, in part, not at all, or with an error.
//! It keeps the time-outs that a provider on the network would be held to.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use kernel::RequestId;
use kernel::catalog::{FailureClass, Timeouts};
use serde_json::json;
use tokio::time::Instant;

use super::directive::{Cut, Directives, Fail};
use crate::failure::Said;
use crate::{Answer, AnswerBody, EventStream, Failure, StreamBreak};

/// An answer that is ready to be given.
pub(super) enum Content {
    Whole(Bytes),
    Events(Box<dyn Iterator<Item = Bytes> + Send>),
}

/// How long a call may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) timeouts: Timeouts,
    /// When the whole call must be over; `None`: further away than time can tell.
    pub(super) end: Option<Instant>,
}

impl Limits {
    /// Waits, but no longer than one step of the call may take.
    async fn wait(&self, time: Duration, step: Duration) -> Result<(), StreamBreak> {
        if !time.is_zero() {
            if time >= self.left(step) {
                return Err(self.hang(step).await);
            }
            tokio::time::sleep(time).await;
        }
        Ok(())
    }

    /// Waits until the step or the whole call has taken too long, and says which.
    async fn hang(&self, step: Duration) -> StreamBreak {
        let left = self.left(step);
        tokio::time::sleep(left).await;
        if left < step { StreamBreak::Deadline } else { StreamBreak::Idle }
    }

    fn left(&self, step: Duration) -> Duration {
        self.end.map_or(step, |end| step.min(end.saturating_duration_since(Instant::now())))
    }
}

/// Gives the answer as the directives ask.
pub(super) async fn give(
    content: Content,
    directives: &Directives,
    limits: Limits,
    fails: bool,
) -> Result<Answer, Failure> {
    let first_byte = limits.timeouts.first_byte();
    limits.wait(directives.delay, first_byte).await.map_err(|_| silence())?;
    if let Some(fail) = directives.fail.as_ref().filter(|_| fails) {
        return Err(failure(fail));
    }
    let body = match (content, directives.cut) {
        (Content::Whole(_), Some(Cut::Hang(_))) | (Content::Events(_), Some(Cut::Hang(0))) => {
            limits.hang(first_byte).await;
            return Err(silence());
        }
        (Content::Whole(_), Some(Cut::Break(_))) => {
            let message = "kijun-sim broke off its answer, as its directives ask";
            return Err(Failure::silent(FailureClass::Connection, message));
        }
        (Content::Whole(document), None) => {
            let usage = wire::meter::read_whole(&document).unwrap_or_default();
            AnswerBody::Whole { document, usage }
        }
        (Content::Events(events), cut) => {
            let pace = directives.pace;
            AnswerBody::Events(Play { events, pace, cut, limits, sent: 0 }.into_body())
        }
    };
    Ok(Answer { status: StatusCode::OK, headers: HeaderMap::new(), body })
}

fn silence() -> Failure {
    let message = "kijun-sim gave no answer within the time-out, as its directives ask";
    Failure::silent(FailureClass::Timeout, message)
}

/// The error that a directive asks for, as an upstream would say it.
fn failure(fail: &Fail) -> Failure {
    let code = fail.code.as_deref().or(match fail.status.as_u16() {
        401 => Some("invalid_api_key"),
        404 => Some("model_not_found"),
        429 => Some("rate_limit_exceeded"),
        _ => None,
    });
    let kind = match fail.status.as_u16() {
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    };
    let status = fail.status;
    let message =
        format!("kijun-sim fails with status {}, as its directives ask.", status.as_u16());
    let said = fail.message.as_deref().unwrap_or(&message);
    let body = json!({"error": {"message": said, "type": kind, "param": null, "code": code}});
    let headers = fail.retry_after.iter().map(|value| (RETRY_AFTER, value.clone())).collect();
    let said = Some(Box::new(Said { status, headers, body: body.to_string().into() }));
    Failure { class: class(status, code), message, said }
}

fn class(status: StatusCode, code: Option<&str>) -> FailureClass {
    match (status.as_u16(), code) {
        (400, Some("context_length_exceeded")) => FailureClass::ContextLength,
        (400, Some("content_filter" | "content_policy_violation")) => FailureClass::ContentFilter,
        (401 | 403, _) => FailureClass::Unauthorized,
        (404, Some("model_not_found")) => FailureClass::ModelNotFound,
        (429, _) => FailureClass::RateLimited,
        (503 | 529, _) => FailureClass::Overloaded,
        (500.., _) => FailureClass::ServerError,
        _ => FailureClass::InvalidRequest,
    }
}

/// A stream that is being given.
struct Play {
    events: Box<dyn Iterator<Item = Bytes> + Send>,
    pace: Duration,
    cut: Option<Cut>,
    limits: Limits,
    sent: u64,
}

impl Play {
    fn into_body(self) -> EventStream {
        Box::pin(StreamBody::new(stream::unfold(Some(self), |play| async move {
            let mut play = play?;
            match play.next().await {
                Ok(event) => Some((Ok(Frame::data(event?)), Some(play))),
                Err(broken) => Some((Err(broken), None)),
            }
        })))
    }

    async fn next(&mut self) -> Result<Option<Bytes>, StreamBreak> {
        let idle = self.limits.timeouts.idle();
        match self.cut {
            Some(Cut::Break(after)) if after == self.sent => {
                // A pause, in which what was sent reaches the client before the break does.
                tokio::task::yield_now().await;
                return Err(StreamBreak::Lost);
            }
            Some(Cut::Hang(after)) if after == self.sent => {
                return Err(self.limits.hang(idle).await);
            }
            _ if self.sent > 0 => self.limits.wait(self.pace, idle).await?,
            _ => {}
        }
        self.sent += 1;
        Ok(self.events.next())
    }
}

/// Attempts at requests that are told to fail a number of times. It forgets the oldest request
/// when it has seen too many, so that it never grows.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<VecDeque<(RequestId, u64)>>);

impl Attempts {
    const REMEMBERED: usize = 1_024;

    /// Whether this attempt at the request fails.
    pub(super) fn fails(&self, request: &RequestId, fail: &Fail) -> bool {
        let Some(times) = fail.times else { return true };
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, attempts)) = seen.iter_mut().find(|(id, _)| id == request) {
            *attempts += 1;
            return *attempts <= times;
        }
        if seen.len() == Self::REMEMBERED {
            seen.pop_front();
        }
        seen.push_back((request.clone(), 1));
        times > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    fn limits(first_byte_ms: u64, idle_ms: u64, deadline_ms: u64) -> Limits {
        let timeouts = Timeouts { first_byte_ms, idle_ms, ..Timeouts::default() };
        Limits { timeouts, end: Some(Instant::now() + Duration::from_millis(deadline_ms)) }
    }

    fn directives(text: &str) -> Directives {
        let mut directives = Directives::default();
        directives.take_from(text).unwrap();
        directives
    }

    fn three_events() -> Content {
        Content::Events(Box::new(["a", "b", "c"].into_iter().map(Bytes::from)))
    }

    async fn streamed(text: &str, limits: Limits) -> (String, Option<StreamBreak>) {
        let answer = give(three_events(), &directives(text), limits, true).await.unwrap();
        let AnswerBody::Events(mut body) = answer.body else { panic!("no stream") };
        let mut text = String::new();
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap()),
                Err(broken) => {
                    assert!(body.frame().await.is_none(), "nothing may follow a break");
                    return (text, Some(broken));
                }
            }
        }
        (text, None)
    }

    async fn refused(content: Content, text: &str, limits: Limits) -> Failure {
        give(content, &directives(text), limits, true).await.err().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn delay_and_pace_are_kept() {
        let start = Instant::now();
        let (text, broken) =
            streamed("sim: delay 1s\nsim: pace 100ms", limits(9_000, 9_000, 9_000)).await;
        assert_eq!((text.as_str(), broken), ("abc", None));
        assert_eq!(start.elapsed(), Duration::from_millis(1_300));
    }

    #[tokio::test(start_paused = true)]
    async fn streams_break_and_hang_where_they_are_told_to() {
        let generous = limits(9_000, 9_000, 60_000);
        assert_eq!(
            streamed("sim: break after=2", generous).await,
            ("ab".to_owned(), Some(StreamBreak::Lost))
        );
        assert_eq!(
            streamed("sim: hang after=1", limits(9, 50, 100)).await,
            ("a".to_owned(), Some(StreamBreak::Idle))
        );
        assert_eq!(
            streamed("sim: hang after=1", limits(9, 50, 40)).await,
            ("a".to_owned(), Some(StreamBreak::Deadline))
        );
        assert_eq!(
            streamed("sim: pace 1s", limits(9, 50, 5_000)).await,
            ("a".to_owned(), Some(StreamBreak::Idle))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn silence_before_the_first_byte_is_a_timeout() {
        let whole = || Content::Whole(Bytes::from_static(b"{}"));
        let start = Instant::now();
        let failure = refused(three_events(), "sim: hang", limits(500, 9_000, 9_000)).await;
        assert_eq!(
            (failure.class, start.elapsed()),
            (FailureClass::Timeout, Duration::from_millis(500))
        );
        assert_eq!(
            refused(whole(), "sim: hang", limits(500, 1, 300)).await.class,
            FailureClass::Timeout
        );
        assert_eq!(
            refused(whole(), "sim: delay 2s", limits(500, 1, 9_000)).await.class,
            FailureClass::Timeout
        );
        assert_eq!(start.elapsed(), Duration::from_millis(1_300));
        assert_eq!(
            refused(whole(), "sim: break", limits(9, 9, 9)).await.class,
            FailureClass::Connection
        );
    }

    #[tokio::test]
    async fn failures_are_said_as_an_upstream_would() {
        let text = "sim: fail 429 retry-after=2 message=\"Slow down\"";
        let failure = refused(three_events(), text, limits(9, 9, 9)).await;
        assert_eq!(failure.class, FailureClass::RateLimited);
        let said = failure.said.unwrap();
        assert_eq!(
            (said.status.as_u16(), &said.headers["retry-after"]),
            (429, &"2".parse().unwrap())
        );
        let body: serde_json::Value = serde_json::from_slice(&said.body).unwrap();
        assert_eq!(
            body,
            json!({"error": {
                "message": "Slow down",
                "type": "rate_limit_error",
                "param": null,
                "code": "rate_limit_exceeded",
            }})
        );
        assert!(!failure.message.contains("Slow"), "content stays out of the operator's log");
    }

    #[test]
    fn every_status_has_its_class() {
        let of = |text: &str| failure(&directives(text).fail.unwrap()).class;
        assert_eq!(of("sim: fail 400"), FailureClass::InvalidRequest);
        assert_eq!(of("sim: fail 400 code=context_length_exceeded"), FailureClass::ContextLength);
        assert_eq!(of("sim: fail 400 code=content_filter"), FailureClass::ContentFilter);
        assert_eq!(of("sim: fail 403"), FailureClass::Unauthorized);
        assert_eq!(of("sim: fail 404"), FailureClass::ModelNotFound);
        assert_eq!(of("sim: fail 500"), FailureClass::ServerError);
        assert_eq!(of("sim: fail 503"), FailureClass::Overloaded);
        assert_eq!(of("sim: fail 529"), FailureClass::Overloaded);
    }

    #[test]
    fn attempts_are_counted_per_request_and_forgotten_in_time() {
        let attempts = Attempts::default();
        let fail = directives("sim: fail 503 times=2").fail.unwrap();
        let id = RequestId::from("req_a");
        let three: Vec<bool> = (0..3).map(|_| attempts.fails(&id, &fail)).collect();
        assert_eq!(three, [true, true, false]);
        assert!(attempts.fails(&RequestId::from("req_b"), &fail));
        for at in 0..2_000 {
            attempts.fails(&format!("req_{at}").into(), &fail);
        }
        assert_eq!(attempts.0.lock().unwrap().len(), Attempts::REMEMBERED);
    }
}
