//! What the providers that speak another protocol share: the chat request is translated on its way
//! there and the answer on its way back.

use bytes::Bytes;
use http::Uri;
use kernel::SharedClock;
use kernel::catalog::FailureClass;
use wire::translate::{BadAnswer, Context, Inexpressible, StreamTranslator};

use crate::events::{Edited, Translation};
use crate::exchange::{Form, Upstream, invalid};
use crate::{Answer, Failure, Outbound};

/// Chat request, model's name there and whether it streams, to the vendor's request.
type Request = fn(&[u8], &str, bool) -> Result<Vec<u8>, Inexpressible>;

/// One vendor's translation.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// Chat request to the vendor's.
    pub(crate) request: Request,
    /// The vendor's whole answer to a chat completion.
    pub(crate) response: fn(&[u8], &Context) -> Result<Vec<u8>, BadAnswer>,
    /// The vendor's stream to chat completion chunks.
    pub(crate) stream: fn(Context) -> Box<dyn StreamTranslator>,
}

impl Dialect {
    /// Makes a chat call at this target.
    pub(crate) async fn call(
        &self,
        upstream: &Upstream,
        clock: &SharedClock,
        call: &Outbound,
        target: &Uri,
    ) -> Result<Answer, Failure> {
        let body = (self.request)(&call.body, &call.model, call.stream).map_err(inexpressible)?;
        let reply = upstream.post(call, target, &Bytes::from(body)).await?;
        let context = context(clock, call);
        if !call.stream {
            let translate = |document: Bytes| {
                let answer = (self.response)(&document, &context);
                answer.map(Bytes::from).map_err(|BadAnswer(why)| invalid(why))
            };
            return reply.whole(translate).await;
        }
        if reply.form() != Form::Events {
            return Err(invalid("the provider answered a streamed call with no stream"));
        }
        let translation = Translation((self.stream)(context));
        Ok(reply.events(|body| Edited::boxed(body, translation)))
    }
}

/// A request that this provider cannot express; a target of another vendor may.
#[expect(clippy::needless_pass_by_value, reason = "map_err hands the error over")]
fn inexpressible(error: Inexpressible) -> Failure {
    Failure::inexpressible(FailureClass::Unsupported, &error.param, &error.message)
}

fn context(clock: &SharedClock, call: &Outbound) -> Context {
    let id = call.id.as_str();
    let unique = id.strip_prefix(kernel::RequestId::PREFIX).unwrap_or(id);
    Context {
        id: format!("chatcmpl-{unique}"),
        created: clock.now().as_secs(),
        model: call.model.to_string(),
    }
}
