//! `POST /v1/responses`

use bytes::Bytes;
use gateway::Identified;
use gateway::idempotency::{Claim, Kept};
use http::StatusCode;
use kernel::Operation;
use wire::responses::CreateRequest;

use crate::asked::{Asked, Created, CreatedBody};
use crate::run::Run;
use crate::{Refused, Responses, events};
use admission::RateLimitHeaders;
use http::HeaderMap;

impl Responses {
    /// Makes a response: whole, as a stream, or in the background.
    ///
    /// # Errors
    /// [`Refused`], as long as nothing of an answer was sent.
    pub async fn create(&self, caller: Identified, asked: Asked) -> Result<Created, Refused> {
        let key = asked.headers.get("idempotency-key").and_then(|key| key.to_str().ok());
        let Some(key) = key.filter(|key| !key.is_empty()) else {
            return self.create_once(caller, asked).await;
        };
        let shelf = self.gateway.idempotency();
        let project = &caller.owner().project;
        let ticket = match shelf.claim(project, Operation::Responses, key, &asked.body)? {
            Claim::Again(kept) => return Ok(again(kept)),
            Claim::First(ticket) => ticket,
        };
        let mut created = self.create_once(caller, asked).await?;
        let (status, headers) = (created.status, created.headers.clone());
        created.body = match created.body {
            CreatedBody::Whole(body) => {
                ticket.keep(Kept { status, headers, body: body.clone(), streamed: false });
                CreatedBody::Whole(body)
            }
            CreatedBody::Events(body) => {
                CreatedBody::Events(events::gathered(body, ticket, headers))
            }
            replay @ CreatedBody::Replay(_) => replay,
        };
        Ok(created)
    }

    async fn create_once(&self, caller: Identified, asked: Asked) -> Result<Created, Refused> {
        let request = CreateRequest::parse(&asked.body)?;
        request.lint()?;
        if request.background {
            return self.create_in_background(caller, request, asked).await;
        }
        let stream = request.stream;
        let mut run = Run::begin(self, caller, request, asked, None).await?;
        let opened = run.open(stream).await?;
        let body = if stream {
            CreatedBody::Events(events::of_run(run))
        } else {
            CreatedBody::Whole(run.whole().await?)
        };
        let status = StatusCode::OK;
        Ok(Created {
            status,
            headers: opened.headers,
            limits: opened.limits,
            replayed: false,
            body,
        })
    }
}

impl Created {
    /// A response that no provider has had a part in yet.
    pub(crate) fn of(body: CreatedBody) -> Self {
        Self {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            limits: RateLimitHeaders::default(),
            replayed: false,
            body,
        }
    }
}

/// An answer that was given before.
fn again(kept: Kept) -> Created {
    let Kept { status, headers, body, streamed } = kept;
    let body: Bytes = body;
    let body = if streamed { CreatedBody::Replay(body) } else { CreatedBody::Whole(body) };
    Created { status, headers, limits: RateLimitHeaders::default(), replayed: true, body }
}
