//! The provider's answer as a run reads it: event by event.

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use gateway::ReplyBody;
use http_body_util::BodyExt as _;
use wire::responses::Source;
use wire::sse::Splitter;

/// The longest event: an image in base64, or a megabyte of tool arguments.
const LARGEST_EVENT: usize = 32 * 1024 * 1024;
/// After its last word, how long a provider may take to end its body so that its connection can be
/// used again.
const GRACE: Duration = Duration::from_secs(1);

/// An answer that is read.
pub(crate) struct Upstream {
    pub(crate) source: Source,
    pub(crate) body: ReplyBody,
    splitter: Splitter,
}

impl Upstream {
    pub(crate) fn new(source: Source, body: ReplyBody) -> Self {
        Self { source, body, splitter: Splitter::new(LARGEST_EVENT) }
    }

    /// The events that came next, together; none when the stream is over, or is no stream.
    pub(crate) async fn events(&mut self) -> Option<Vec<Bytes>> {
        let ReplyBody::Stream(stream) = &mut self.body else { return None };
        loop {
            let frame = stream.frame().await.and_then(Result::ok);
            let Some(piece) = frame.and_then(|frame| frame.into_data().ok()) else {
                // An event without its blank line.
                return self.splitter.finish().map(|last| vec![last]);
            };
            self.splitter.push(piece);
            let mut events = Vec::new();
            while let Some(event) = self.splitter.next() {
                match event {
                    Ok(event) => events.push(event),
                    Err(_too_long) if events.is_empty() => return None,
                    Err(_too_long) => return Some(events),
                }
            }
            if !events.is_empty() {
                return Some(events);
            }
        }
    }

    /// Nothing more is wanted. What is left of the body is read if it is about to end, so that the
    /// connection can be used again; otherwise this hangs up.
    pub(crate) fn end(self) {
        let ReplyBody::Stream(mut stream) = self.body else { return };
        if stream.frame().now_or_never().is_some_and(|end| end.is_none()) {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let rest = async { while stream.frame().await.is_some() {} };
                let _ = tokio::time::timeout(GRACE, rest).await;
            });
        }
    }
}
