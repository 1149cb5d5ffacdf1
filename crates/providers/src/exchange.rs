//! What all providers behind HTTP share: send the request, tell answers from failures, read whole
//! answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use kernel::Usage;
use kernel::catalog::{FailureClass, ProviderSpec, Timeouts};
use serde::de::DeserializeOwned;

use wire::meter::NotAnAnswer;

use crate::config::{self, ConfigError, Credential};
use crate::failure::Said;
use crate::transport::{BaseUrl, Host, ResponseBody, Send, Transport, Unread};
use crate::{Answer, AnswerBody, Failure, Outbound, StreamBreak};

/// The longest error body that is read.
const MOST_ERROR_BYTES: usize = 1024 * 1024;
/// The longest list of models that is read.
const MOST_LIST_BYTES: usize = 16 * 1024 * 1024;
/// How long a list of models may take: it is also the health probe.
const LIST_DEADLINE: Duration = Duration::from_secs(15);

/// One provider's end of the wire.
#[derive(Debug)]
pub(crate) struct Upstream {
    host: Arc<Host>,
    base: BaseUrl,
    headers: HeaderMap,
    timeouts: Timeouts,
    /// Reads the provider's error body as OpenAI's envelope.
    errors: fn(u16, &Bytes) -> Bytes,
}

impl Upstream {
    /// The end of a provider at `base`, whose errors are OpenAI's or of no known shape.
    pub(crate) fn new(
        spec: &ProviderSpec,
        transport: &Transport,
        base: BaseUrl,
        credential: Credential,
    ) -> Result<Self, ConfigError> {
        let mut headers = config::headers(spec, credential)?;
        headers.insert(header::HOST, base.authority().clone());
        Ok(Self {
            host: transport.host(&base),
            headers,
            base,
            timeouts: spec.timeouts,
            errors: wire::error::envelope,
        })
    }

    /// With a header that every call carries, unless the configuration sets it.
    pub(crate) fn with_header(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.headers.entry(HeaderName::from_static(name)).or_insert(value);
        self
    }

    /// With another reading of error bodies.
    pub(crate) fn with_errors(mut self, errors: fn(u16, &Bytes) -> Bytes) -> Self {
        self.errors = errors;
        self
    }

    /// The request target of a path below the base URL.
    pub(crate) fn target(&self, below: &str) -> Result<Uri, Failure> {
        self.base.target(below).map_err(|why| {
            let message = format!("the model's name makes no valid URL: {why}");
            Failure::silent(FailureClass::InvalidRequest, message)
        })
    }

    /// Sends the body and waits for the head of a success.
    pub(crate) async fn post(
        &self,
        call: &Outbound,
        target: &Uri,
        body: &Bytes,
    ) -> Result<Reply, Failure> {
        let headers = || self.headers_of(call);
        let request = Send { method: Method::POST, target, headers: &headers, body };
        self.send(&request, call.deadline).await
    }

    /// The configuration's headers win over the client's.
    fn headers_of(&self, call: &Outbound) -> HeaderMap {
        let mut headers = self.headers.clone();
        if let Ok(id) = HeaderValue::from_str(call.id.as_str()) {
            headers.insert(REQUEST_ID, id);
        }
        for (name, value) in &call.headers {
            if !self.headers.contains_key(name) {
                headers.append(name, value.clone());
            }
        }
        headers
    }

    /// Reads a short document, such as a list of models.
    pub(crate) async fn get<T: DeserializeOwned>(&self, target: &Uri) -> Result<T, Failure> {
        let headers = || self.headers.clone();
        let request = Send { method: Method::GET, target, headers: &headers, body: &Bytes::new() };
        let reply = self.send(&request, LIST_DEADLINE).await?;
        let document = reply.body.whole(MOST_LIST_BYTES).await.map_err(unread)?;
        serde_json::from_slice(&document).map_err(|_| {
            invalid("the provider's list of models is not understood; is `base_url` right?")
        })
    }

    async fn send(&self, request: &Send<'_>, deadline: Duration) -> Result<Reply, Failure> {
        let response = self
            .host
            .send(request, &self.timeouts, deadline)
            .await
            .map_err(|error| Failure::silent(error.class(), error.to_string()))?;
        let (status, headers, body) = (response.status, response.headers, response.body);
        if matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT) {
            return Err(invalid(format!("the provider answered {status}, which is no answer")));
        }
        if status.is_success() {
            let most = self.host.max_answer_bytes();
            return Reply { status, headers, body, most }.uncompressed();
        }
        if status.is_redirection() {
            return Err(invalid(
                "the provider redirects to another address, which is not followed; set its \
                 `base_url` to where it leads",
            ));
        }
        // An error whose body breaks off is still that error.
        let said = body.whole(MOST_ERROR_BYTES).await.unwrap_or_default();
        Err(self.failure(status, headers, &said))
    }

    fn failure(&self, status: StatusCode, headers: HeaderMap, said: &Bytes) -> Failure {
        let body = (self.errors)(status.as_u16(), said);
        Failure {
            class: wire::error::classify(status.as_u16(), &body),
            message: format!("the provider answered {status}"),
            said: Some(Box::new(Said { status, headers: worth_handing_on(headers), body })),
        }
    }
}

/// A success whose body is still to come.
pub(crate) struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: ResponseBody,
    most: usize,
}

/// The form in which a body comes, by its content type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `application/json`
    Json,
    /// `text/event-stream`; also what has no type, for some servers forget it.
    Events,
    /// A web page: this is no API.
    Html,
}

impl Reply {
    /// The form of the body.
    pub(crate) fn form(&self) -> Form {
        let kind = self.headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        let essence = kind.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        if essence.eq_ignore_ascii_case(b"application/json") || essence.ends_with(b"+json") {
            Form::Json
        } else if essence.eq_ignore_ascii_case(b"text/html") {
            Form::Html
        } else {
            Form::Events
        }
    }

    /// The body as a whole; it must be one JSON object. `edit` may change it.
    pub(crate) async fn whole(
        self,
        edit: impl FnOnce(Bytes) -> Result<Bytes, Failure>,
    ) -> Result<Answer, Failure> {
        let Self { status, headers, body, most } = self;
        let document = body.whole(most).await.map_err(unread)?;
        let mut usage = read_object(&document)?;
        let came = document.as_ptr();
        let document = edit(document)?;
        if document.as_ptr() != came {
            usage = read_object(&document)?;
        }
        let body = AnswerBody::Whole { document, usage };
        Ok(Answer { status, headers: worth_handing_on(headers), body })
    }

    /// The body as events. `attach` may put something between.
    pub(crate) fn events(self, attach: impl FnOnce(ResponseBody) -> crate::EventStream) -> Answer {
        let Self { status, headers, body, .. } = self;
        let body = AnswerBody::Events(attach(body));
        Answer { status, headers: worth_handing_on(headers), body }
    }

    fn uncompressed(self) -> Result<Self, Failure> {
        match self.headers.get(header::CONTENT_ENCODING) {
            Some(coding) if coding != "identity" => Err(invalid(
                "the provider compressed its answer although it was asked not to; turn that off \
                 there, or in the proxy before it",
            )),
            _ => Ok(self),
        }
    }
}

/// A provider's answer that cannot be used.
pub(crate) fn invalid(message: impl Into<String>) -> Failure {
    Failure::silent(FailureClass::InvalidAnswer, message)
}

fn unread(error: Unread) -> Failure {
    let (class, message) = match error {
        Unread::TooLong => (
            FailureClass::InvalidAnswer,
            "the provider's answer is longer than this node accepts".to_owned(),
        ),
        Unread::Broken(StreamBreak::Idle | StreamBreak::Deadline) => {
            (FailureClass::Timeout, "the provider did not finish its answer in time".to_owned())
        }
        Unread::Broken(broken) => (FailureClass::Connection, broken.to_string()),
    };
    Failure::silent(class, message)
}

fn read_object(document: &[u8]) -> Result<Option<Usage>, Failure> {
    wire::meter::read_whole(document).map_err(|wrong| match wrong {
        NotAnAnswer::NoObject => {
            invalid("the provider answered 200 with something that is no JSON object")
        }
        NotAnAnswer::Error => told_as_success(document),
    })
}

/// An error that a provider sent with a 200, as some do. It is handed on as what it is.
fn told_as_success(document: &[u8]) -> Failure {
    let status = StatusCode::BAD_GATEWAY;
    let body = wire::error::envelope(status.as_u16(), &Bytes::copy_from_slice(document));
    Failure {
        class: FailureClass::InvalidAnswer,
        message: "the provider answered 200 with an error".to_owned(),
        said: Some(Box::new(Said { status, headers: HeaderMap::new(), body })),
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const UPSTREAM_REQUEST_ID: HeaderName = HeaderName::from_static("x-upstream-request-id");

/// Headers that are about the connection or the body as it was framed there, that a browser would
/// take for the gateway's own, or that name the operator's account.
const KEPT_BACK: [HeaderName; 21] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::SET_COOKIE,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CACHE_CONTROL,
    header::DATE,
    header::SERVER,
    header::VIA,
    header::ALT_SVC,
    header::STRICT_TRANSPORT_SECURITY,
    header::WWW_AUTHENTICATE,
    HeaderName::from_static("openai-organization"),
    HeaderName::from_static("openai-project"),
];

/// What of a provider's headers is handed on. A provider's CORS headers speak of its own address;
/// what `connection` names is for the next hop only (RFC 9110, section 7.6.1).
fn worth_handing_on(mut headers: HeaderMap) -> HeaderMap {
    let connection = headers.get(header::CONNECTION).and_then(|names| names.to_str().ok());
    let next_hop: Vec<String> = connection
        .filter(|names| names.contains(','))
        .map(|names| names.split(',').map(|name| name.trim().to_ascii_lowercase()).collect())
        .unwrap_or_default();
    let stays = |name: &&HeaderName| {
        let text = name.as_str();
        KEPT_BACK.contains(*name)
            || text.starts_with("access-control-")
            || next_hop.iter().any(|named| named == text)
    };
    let kept_back: Vec<HeaderName> = headers.keys().filter(stays).cloned().collect();
    for name in kept_back {
        headers.remove(name);
    }
    if let Some(id) = headers.remove(REQUEST_ID) {
        headers.insert(UPSTREAM_REQUEST_ID, id);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_json_object_is_an_answer() {
        for good in ["{}", " {\"a\": [1, \"\\u00e9\"]}\n"] {
            assert!(read_object(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in ["", "[]", "\"text\"", "{\"a\":", "{} {}", "<html>", "null"] {
            let failure = read_object(bad.as_bytes()).unwrap_err();
            assert_eq!(failure.class, FailureClass::InvalidAnswer, "{bad}");
        }
        assert!(read_object(b"{\"a\": \"\xff\"}").is_err());
        let told = read_object(br#"{"error":{"message":"no room","code":"full"}}"#).unwrap_err();
        let said = told.said.unwrap();
        assert_eq!((told.class, said.status.as_u16()), (FailureClass::InvalidAnswer, 502));
        assert!(String::from_utf8_lossy(&said.body).contains("no room"));
    }

    #[test]
    fn headers_of_the_connection_stay_behind() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-request-id", "theirs"),
            ("retry-after", "2"),
            ("x-ratelimit-remaining-requests", "1"),
            ("set-cookie", "a=b"),
            ("openai-organization", "org-operators-own"),
            ("content-length", "3"),
            ("connection", "close, X-Hop"),
            ("x-hop", "for the next one"),
            ("access-control-allow-origin", "*"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let kept = worth_handing_on(headers);
        let mut names: Vec<&str> = kept.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["retry-after", "x-ratelimit-remaining-requests", "x-upstream-request-id"]
        );
    }
}
