//! Chat Completions that are kept, because their request says `"store": true`.
//!
//! Most are not, and pay for this with one search of their bytes. Of those that are, the provider
//! is asked to keep nothing: the state is ours, sealed under the project's key. An answer has the id
//! that it is kept by, and is in the store before its end leaves; one that breaks off is not kept.

mod gather;
mod keep;
mod members;
mod request;
mod stored;
mod stream;

use admission::RateLimitHeaders;
use gateway::idempotency::{Claim, Kept, Ticket};
use gateway::{Gateway, Identified, Inbound, Reply, ReplyBody};
use http::header::HeaderName;
use kernel::SharedRng;
use store::Store;

use crate::{Created, CreatedBody, Refused};
use keep::Keeping;
use request::Request;
use stream::KeptStream;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The stored Chat Completions of a node's projects. Clones share everything.
#[derive(Clone, Debug)]
pub struct Chats {
    store: Store,
    rng: SharedRng,
}

impl Chats {
    /// In this store.
    pub fn new(store: Store, rng: SharedRng) -> Self {
        Self { store, rng }
    }

    /// Answers a chat completion, and keeps the answer if that is asked for.
    ///
    /// # Errors
    /// As [`Gateway::answer`], and 400 for what is wrong with `store` or `metadata`.
    pub async fn create(
        &self,
        gateway: &Gateway,
        caller: Identified,
        mut inbound: Inbound,
    ) -> Result<Created, Refused> {
        if !request::may_ask(&inbound.body) {
            return Ok(gateway.answer(caller, inbound).await?.into());
        }
        let body = inbound.body.clone();
        let Some(request) = Request::read(&body)? else {
            return Ok(gateway.answer(caller, inbound).await?.into());
        };
        if caller.retention().zero {
            inbound.body = request.unstored().into();
            return Ok(gateway.answer(caller, inbound).await?.into());
        }
        let ticket = match claim(gateway, &caller, &mut inbound)? {
            Some(Claim::Again(kept)) => return Ok(again(kept)),
            Some(Claim::First(ticket)) => Some(ticket),
            None => None,
        };
        let (upstream, asked) = request.split();
        inbound.body = upstream.into();
        let keeping = Keeping::new(self.store.clone(), &self.rng, caller.clone(), &inbound, asked);
        let reply = gateway.answer(caller, inbound).await?;
        Ok(kept(reply, keeping, ticket).await)
    }
}

/// Claims the request's `Idempotency-Key`, if it has one. It is taken out: the gateway would keep
/// the answer with the provider's id.
fn claim(
    gateway: &Gateway,
    caller: &Identified,
    inbound: &mut Inbound,
) -> Result<Option<Claim>, Refused> {
    let Some(key) = inbound.headers.remove(IDEMPOTENCY_KEY) else { return Ok(None) };
    let Some(key) = key.to_str().ok().filter(|key| !key.is_empty()) else { return Ok(None) };
    let shelf = gateway.idempotency();
    Ok(Some(shelf.claim(caller.project(), inbound.operation, key, &inbound.body)?))
}

/// An answer that is kept, now or when its stream ends.
async fn kept(reply: Reply, keeping: Keeping, ticket: Option<Ticket>) -> Created {
    let Reply { status, headers, limits, replayed, body, .. } = reply;
    let body = match body {
        ReplyBody::Whole(document) => {
            let body = keeping.keep_whole(document).await;
            if let Some(ticket) = ticket {
                let (headers, body) = (headers.clone(), body.clone());
                ticket.keep(Kept { status, headers, body, streamed: false });
            }
            CreatedBody::Whole(body)
        }
        ReplyBody::Stream(upstream) => {
            let ticket = ticket.map(|ticket| (ticket, headers.clone()));
            CreatedBody::Events(KeptStream::new(upstream, keeping, ticket).into_body())
        }
        // The gateway has no key by which it could have given an answer before.
        ReplyBody::Replay(events) => CreatedBody::Replay(events),
    };
    Created { status, headers, limits, replayed, body }
}

impl From<Reply> for Created {
    fn from(reply: Reply) -> Self {
        let Reply { status, headers, limits, replayed, body, .. } = reply;
        let body = match body {
            ReplyBody::Whole(document) => CreatedBody::Whole(document),
            ReplyBody::Replay(events) => CreatedBody::Replay(events),
            ReplyBody::Stream(stream) => CreatedBody::Events(Box::into_pin(stream)),
        };
        Self { status, headers, limits, replayed, body }
    }
}

/// An answer that was given before.
fn again(kept: Kept) -> Created {
    let Kept { status, headers, body, streamed } = kept;
    let body = if streamed { CreatedBody::Replay(body) } else { CreatedBody::Whole(body) };
    Created { status, headers, limits: RateLimitHeaders::default(), replayed: true, body }
}
