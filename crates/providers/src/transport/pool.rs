//! One host and the connections to it that are at rest.

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kernel::catalog::Timeouts;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::body::{Pace, ResponseBody};
use super::connection::{Connection, Stream};
use super::tls::Tls;
use super::url::Origin;
use super::{Response, Send, TransportConfig, TransportError};

/// A peer is asked whether it is still there after this much silence, so that one that vanished is
/// noticed during a long wait, and routers on the way do not forget the connection.
const KEEPALIVE: Duration = Duration::from_secs(45);

/// One origin: its address, and its idle connections, the freshest last. They are looked at when
/// calls come and go; no timer watches them.
pub(crate) struct Host {
    origin: Origin,
    idle: Mutex<VecDeque<Box<Connection>>>,
    config: TransportConfig,
    tls: Arc<Tls>,
}

impl Host {
    pub(super) fn new(origin: Origin, config: TransportConfig, tls: Arc<Tls>) -> Self {
        Self { origin, idle: Mutex::default(), config, tls }
    }

    /// The longest whole answer that is read.
    pub(crate) fn max_answer_bytes(&self) -> usize {
        self.config.max_answer_bytes
    }

    /// Sends a request and waits for the response's head. A connection from the pool that turns
    /// out to be dead (not one byte came back) is replaced by a fresh one, once.
    pub(crate) async fn send(
        self: &Arc<Self>,
        request: &Send<'_>,
        timeouts: &Timeouts,
        deadline: Duration,
    ) -> Result<Response, TransportError> {
        let total = after(Instant::now(), deadline);
        if let Some(connection) = self.take() {
            match self.ask(connection, request, timeouts, total).await {
                Err(Asked { error: TransportError::Lost, silent: true }) => {}
                Err(asked) => return Err(asked.error),
                Ok(response) => return Ok(response),
            }
        }
        let connection = self.connect(timeouts.connect(), total).await?;
        self.ask(connection, request, timeouts, total).await.map_err(|asked| asked.error)
    }

    async fn ask(
        self: &Arc<Self>,
        mut connection: Box<Connection>,
        request: &Send<'_>,
        timeouts: &Timeouts,
        total: Instant,
    ) -> Result<Response, Asked> {
        let first_byte = after(Instant::now(), timeouts.first_byte());
        let limit = first_byte.min(total);
        let response = connection.ask(request.build(), limit).await.map_err(|error| {
            let error = match error {
                TransportError::NoFirstByte if limit == total => TransportError::Deadline,
                other => other,
            };
            Asked { error, silent: connection.was_silent() }
        })?;
        let (head, incoming) = response.into_parts();
        let pace = Pace {
            idle: timeouts.idle(),
            silence_ends: after(Instant::now(), timeouts.idle()),
            total,
        };
        let body = ResponseBody::new(connection, incoming, Arc::clone(self), pace);
        Ok(Response { status: head.status, headers: head.headers, body })
    }

    /// The freshest idle connection that is still open.
    fn take(&self) -> Option<Box<Connection>> {
        let now = Instant::now();
        loop {
            let mut connection = self.idle().pop_back()?;
            if now.duration_since(connection.idle_since()) > self.config.idle() {
                // The others are older still.
                self.idle().clear();
                return None;
            }
            if connection.is_ready() {
                return Some(connection);
            }
        }
    }

    /// Takes a connection back whose answer was read to its end.
    pub(super) fn put_back(&self, mut connection: Box<Connection>) {
        if !connection.may_rest() {
            return;
        }
        let now = Instant::now();
        connection.rest(now);
        let mut idle = self.idle();
        idle.push_back(connection);
        while idle.len() > self.config.max_idle_per_host
            || idle.front().is_some_and(|c| now.duration_since(c.idle_since()) > self.config.idle())
        {
            idle.pop_front();
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, VecDeque<Box<Connection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connect(
        &self,
        within: Duration,
        total: Instant,
    ) -> Result<Box<Connection>, TransportError> {
        let by = after(Instant::now(), within);
        let connecting = async {
            let tcp = self.tcp(by.min(total)).await?;
            let stream = if self.origin.tls {
                Stream::Tls(Box::new(self.tls.connect(&self.origin.host, tcp).await?))
            } else {
                Stream::Plain(tcp)
            };
            Connection::new(stream).await
        };
        match tokio::time::timeout_at(by.min(total), connecting).await {
            Ok(outcome) => outcome,
            Err(_) if total < by => Err(TransportError::Deadline),
            Err(_) => Err(TransportError::ConnectTimeout),
        }
    }

    /// Tries the host's addresses in turn. Each gets its share of the time, so that one that
    /// swallows packets does not starve the next.
    async fn tcp(&self, by: Instant) -> Result<TcpStream, TransportError> {
        let addresses = self.resolve().await?;
        let mut error = TransportError::Resolve;
        for (tried, address) in addresses.iter().enumerate() {
            let left = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
            let share = by.saturating_duration_since(Instant::now()) / left;
            match tokio::time::timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(tcp)) => {
                    tcp.set_nodelay(true).map_err(TransportError::connect)?;
                    let keepalive =
                        TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 3);
                    SockRef::from(&tcp)
                        .set_tcp_keepalive(&keepalive)
                        .map_err(TransportError::connect)?;
                    return Ok(tcp);
                }
                Ok(Err(refused)) => error = TransportError::connect(refused),
                Err(_) => error = TransportError::ConnectTimeout,
            }
        }
        Err(error)
    }

    /// The host's addresses, as far as they are in reach. They are connected to as they are here:
    /// nobody looks the name up again in between.
    async fn resolve(&self) -> Result<Vec<SocketAddr>, TransportError> {
        let Origin { host, port, .. } = &self.origin;
        let reach = &self.config.reach;
        if let Ok(literal) = host.parse::<IpAddr>() {
            let permitted = reach.permits(literal);
            return permitted
                .then(|| vec![SocketAddr::new(literal, *port)])
                .ok_or(TransportError::OutOfReach);
        }
        if !reach.permits_name(host) {
            return Err(TransportError::OutOfReach);
        }
        let found = tokio::net::lookup_host((&**host, *port)).await;
        let mut found: Vec<_> = found.map_err(|_| TransportError::Resolve)?.collect();
        let before = found.len();
        found.retain(|address| reach.permits(address.ip()));
        if found.is_empty() && before > 0 {
            return Err(TransportError::OutOfReach);
        }
        Ok(found)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// A request that brought no response.
struct Asked {
    error: TransportError,
    /// Not one byte came back.
    silent: bool,
}

/// A moment from now; a span too long to be counted is as good as a century.
pub(super) fn after(now: Instant, span: Duration) -> Instant {
    now.checked_add(span).unwrap_or_else(|| now + Duration::from_secs(100 * 365 * 86_400))
}
