//! An HTTP/1.1 client for a gateway: few allocations, no task per call, hang-ups that reach the
//! peer at once, and a time-out for every step.
//!
//! It follows no redirects, keeps no cookies, and goes through no proxy: a provider is reached
//! directly. Whoever must use a proxy puts it in as the provider's `base_url` (a reverse proxy).

mod body;
mod connection;
mod gate;
mod pool;
mod reach;
mod tls;
mod turn;
mod url;

pub(crate) use body::{ResponseBody, Unread};
pub(crate) use pool::Host;
pub use reach::{Reach, net};
pub use turn::WriteTurn;
pub(crate) use url::{BaseUrl, segment};

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::Full;
use kernel::catalog::FailureClass;
use serde::Deserialize;

use self::tls::Tls;
use self::url::Origin;

/// What all providers' connections have in common.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TransportConfig {
    /// Connections at rest that are kept for each host.
    pub max_idle_per_host: usize,
    /// Milliseconds for which a connection at rest is kept.
    pub idle_ms: u64,
    /// The longest whole answer, in bytes. Streams are not bounded by it.
    pub max_answer_bytes: usize,
    /// Where providers may be.
    pub reach: Reach,
}

impl TransportConfig {
    const fn idle(&self) -> Duration {
        Duration::from_millis(self.idle_ms)
    }
}

impl Default for TransportConfig {
    /// 256 connections for 55 s (load balancers close theirs after 60 s), answers up to 64 MiB.
    fn default() -> Self {
        let reach = Reach::default();
        Self { max_idle_per_host: 256, idle_ms: 55_000, max_answer_bytes: 64 * 1024 * 1024, reach }
    }
}

/// TLS or not, host, port.
type Key = (bool, Box<str>, u16);

/// The connections to all providers. One is enough for a node; providers at one host share theirs.
pub struct Transport {
    config: TransportConfig,
    tls: Arc<Tls>,
    hosts: Mutex<HashMap<Key, Arc<Host>>>,
}

impl Transport {
    /// A client without connections yet.
    pub fn new(config: TransportConfig) -> Self {
        Self { config, tls: Arc::default(), hosts: Mutex::default() }
    }

    /// Whether a base URL leads where providers may be, as far as it shows before its host's name
    /// is looked up.
    pub(crate) fn permits(&self, base: &BaseUrl) -> bool {
        self.config.reach.permits_host(&base.origin.host)
    }

    /// The host of a base URL, the same one for everybody who asks.
    pub(crate) fn host(&self, base: &BaseUrl) -> Arc<Host> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        // Hosts that no provider refers to any more take their idle connections with them.
        hosts.retain(|_, host| Arc::strong_count(host) > 1);
        let Origin { tls, host, port } = &base.origin;
        let entry = hosts.entry((*tls, host.clone(), *port));
        let new = || Host::new(base.origin.clone(), self.config.clone(), Arc::clone(&self.tls));
        Arc::clone(entry.or_insert_with(|| Arc::new(new())))
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("config", &self.config).finish_non_exhaustive()
    }
}

/// A request, borrowed: it is built anew for the rare second attempt.
pub(crate) struct Send<'a> {
    /// GET or POST.
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: &'a Uri,
    /// Makes all headers but the length.
    pub(crate) headers: &'a (dyn Fn() -> HeaderMap + Sync),
    /// The body; empty for GET.
    pub(crate) body: &'a Bytes,
}

impl Send<'_> {
    fn build(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.target.clone();
        *request.headers_mut() = (self.headers)();
        request
    }
}

/// A response whose head is here.
pub(crate) struct Response {
    /// The status.
    pub(crate) status: StatusCode,
    /// The headers as they came.
    pub(crate) headers: HeaderMap,
    /// The body as it comes.
    pub(crate) body: ResponseBody,
}

/// Why there is no response. The messages name no address: clients may see them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TransportError {
    /// DNS does not know the host.
    #[error("the provider's host name could not be resolved")]
    Resolve,
    /// It is where no provider may be.
    #[error(
        "the provider is at an address that this node may not connect to; an operator can allow it \
         in [outbound]"
    )]
    OutOfReach,
    /// No address of the host took the connection.
    #[error("the provider could not be reached: {why}")]
    Connect {
        /// The operating system's word for it.
        why: String,
    },
    /// No TLS connection.
    #[error("no secure connection to the provider: {why}")]
    Tls {
        /// What the handshake failed on.
        why: String,
    },
    /// No connection in time.
    #[error("the provider did not take the connection within its connect time-out")]
    ConnectTimeout,
    /// No response in time.
    #[error("the provider did not answer within its first-byte time-out")]
    NoFirstByte,
    /// The whole call took too long.
    #[error("the call took longer than its deadline")]
    Deadline,
    /// The connection broke before the response's head was complete.
    #[error("the provider closed the connection before it answered")]
    Lost,
    /// What came is not HTTP/1.1.
    #[error("the provider's answer is no valid HTTP/1.1 response")]
    Malformed,
}

impl TransportError {
    // By value, to be named in `map_err`.
    #[expect(clippy::needless_pass_by_value, reason = "map_err hands the error over")]
    fn connect(error: io::Error) -> Self {
        Self::Connect { why: error.kind().to_string() }
    }

    /// What kind of failure it is.
    pub(crate) const fn class(&self) -> FailureClass {
        match self {
            Self::Resolve
            | Self::OutOfReach
            | Self::Connect { .. }
            | Self::Tls { .. }
            | Self::Lost => FailureClass::Connection,
            Self::ConnectTimeout | Self::NoFirstByte | Self::Deadline => FailureClass::Timeout,
            Self::Malformed => FailureClass::ServerError,
        }
    }
}
