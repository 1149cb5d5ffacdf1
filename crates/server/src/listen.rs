//! The door: accepts connections, shakes hands where there is TLS, speaks HTTP/1.1, and closes in
//! order.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::{Edge, TrustedProxies};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use kernel::{SharedClock, Timestamp};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::ServerConfig;
use crate::places::{Full, Place, Places};
use crate::reading::Reading;
use crate::tls::{self, Tls, TlsError};

/// How long a connection may be silent before the kernel asks whether its client is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// Handshakes under way at once, and of one client. Who stops in the middle holds one until its time
/// is over; so one client must not be able to hold them all.
const HANDSHAKES: usize = 4_096;
const HANDSHAKES_OF_ONE: usize = 1_024;
/// How often a full house is told of.
const TELL: Duration = Duration::from_secs(60);
/// How much of what a client sends, or should read, is held at once.
const BUFFER: usize = 128 * 1024;

/// Why the door does not open.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    /// Somebody else listens there.
    #[error(
        "the address {address} is in use; stop what listens there, or choose another with --listen"
    )]
    InUse {
        /// Which address.
        address: SocketAddr,
    },
    /// Any other reason.
    #[error("cannot listen on {address}: {source}; choose another address with --listen")]
    Other {
        /// Which address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Its certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The door.
pub(crate) struct Door {
    listener: TcpListener,
    address: SocketAddr,
    /// SIGHUP asks for files to be read again, from the moment on that the door is open.
    hang_ups: Signal,
    house: Arc<House>,
}

/// What can be told of a door while it is open.
#[derive(Clone)]
pub(crate) struct DoorState {
    tls: Option<Arc<Tls>>,
    places: Arc<Places>,
}

impl DoorState {
    /// When the certificate ends.
    pub(crate) fn certificate_expiry(&self) -> Option<Timestamp> {
        self.tls.as_ref()?.not_after()
    }

    /// How many connections are open.
    pub(crate) fn connections(&self) -> usize {
        self.places.taken()
    }
}

/// What every connection needs.
struct House {
    tls: Option<Arc<Tls>>,
    places: Arc<Places>,
    handshakes: Arc<Places>,
    proxies: TrustedProxies,
    http: http1::Builder,
    /// How long a client may read nothing.
    patience: Option<Duration>,
}

/// Connections still open after the door was closed.
pub(crate) struct Open {
    closing: watch::Sender<bool>,
    connections: JoinSet<()>,
}

impl Open {
    /// Waits until they have finished what they are at, or `patience` is over; then cuts them off.
    /// Every call that was under way has ended when this returns.
    pub(crate) async fn close(mut self, patience: Duration) {
        let _ = self.closing.send(true);
        let ended = async { while self.connections.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(patience, ended).await;
        self.connections.shutdown().await;
    }
}

impl Door {
    /// Opens it: clients may connect, and wait.
    ///
    /// # Errors
    /// [`ListenError`]
    pub(crate) async fn open(
        config: &ServerConfig,
        clock: SharedClock,
    ) -> Result<Self, ListenError> {
        let wanted = config.listen;
        let other = |source| ListenError::Other { address: wanted, source };
        let listener = TcpListener::bind(wanted).await.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => ListenError::InUse { address: wanted },
            _ => other(source),
        })?;
        let address = listener.local_addr().map_err(other)?;
        let tls = Tls::open(&config.tls, clock)?;
        let hang_ups = signal(SignalKind::hangup()).map_err(other)?;
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(config.request_timeout_secs))
            .max_header_size(config.max_head_bytes)
            .max_buf_size(BUFFER.max(config.max_head_bytes));
        let patience = Some(config.write_timeout_secs).filter(|secs| *secs > 0);
        let house = Arc::new(House {
            tls,
            places: Places::new(config.max_connections, config.max_connections_per_peer),
            handshakes: Places::new(HANDSHAKES, HANDSHAKES_OF_ONE),
            proxies: config.proxies(),
            http,
            patience: patience.map(Duration::from_secs),
        });
        Ok(Self { listener, address, hang_ups, house })
    }

    /// Where it is.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How clients begin its URL.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.house.tls.is_some() { "https" } else { "http" }
    }

    /// What can be told of it while it is open.
    pub(crate) fn state(&self) -> DoorState {
        DoorState { tls: self.house.tls.clone(), places: Arc::clone(&self.house.places) }
    }

    /// Serves until `stop` is there, then closes the door. Returns the connections still open.
    pub(crate) async fn serve(self, edge: Edge, stop: impl Future<Output = ()>) -> Open {
        let Self { listener, hang_ups, house, .. } = self;
        let (closing, _) = watch::channel(false);
        let mut connections = JoinSet::new();
        let edge = Arc::new(edge);
        let mut told = None;
        let fresh = async {
            match house.tls.clone() {
                Some(tls) => tls.keep_fresh(hang_ups).await,
                None => tls::nothing_to_read(hang_ups).await,
            }
        };
        tokio::pin!(stop, fresh);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                never = &mut fresh => match never {},
                () = &mut stop => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    while connections.try_join_next().is_some() {}
                    match house.admit(&stream, peer.ip()) {
                        Ok(place) => {
                            let stream = Reading::new(stream, house.patience, Some(place));
                            let (house, edge) = (Arc::clone(&house), Arc::clone(&edge));
                            connections.spawn(house.welcome(
                                stream,
                                peer.ip(),
                                edge,
                                closing.subscribe(),
                            ));
                        }
                        Err(Turned::Full(full)) => tell(full, peer.ip(), &mut told),
                        Err(Turned::Gone(error)) => {
                            tracing::debug!(%error, "a connection was gone before it began");
                        }
                    }
                }
                Err(error) => {
                    // Out of file handles, most likely: give those in use time to close.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        Open { closing, connections }
    }
}

impl House {
    fn admit(&self, stream: &TcpStream, peer: IpAddr) -> Result<Place, Turned> {
        prepare(stream).map_err(Turned::Gone)?;
        self.places.take(peer, self.is_proxy(peer)).map_err(Turned::Full)
    }

    fn is_proxy(&self, peer: IpAddr) -> bool {
        self.proxies.contains(peer.to_canonical())
    }

    /// Everything from the handshake on is the connection's own: nobody waits for it at the door.
    async fn welcome(
        self: Arc<Self>,
        stream: Reading<TcpStream>,
        peer: IpAddr,
        edge: Arc<Edge>,
        closing: watch::Receiver<bool>,
    ) {
        let Some(tls) = &self.tls else {
            return self.converse(stream, peer, edge, closing).await;
        };
        let Ok(turn) = self.handshakes.take(peer, self.is_proxy(peer)) else {
            tracing::debug!(%peer, "too many TLS handshakes are under way");
            return;
        };
        let shaken = tls.accept(stream).await;
        drop(turn);
        match shaken {
            // Boxed, so that connections without TLS need no room for its buffers.
            Ok(stream) => Box::pin(self.converse(stream, peer, edge, closing)).await,
            Err(error) => tracing::debug!(%error, %peer, "a TLS handshake failed"),
        }
    }

    async fn converse<S>(
        &self,
        stream: S,
        peer: IpAddr,
        edge: Arc<Edge>,
        mut closing: watch::Receiver<bool>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(|mut request: hyper::Request<_>| {
            let client = self.proxies.client(peer, request.headers());
            request.extensions_mut().insert(client);
            let edge = Arc::clone(&edge);
            async move { edge.handle(request).await }
        });
        let connection = self.http.serve_connection(TokioIo::new(stream), service).with_upgrades();
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            _ = closing.changed() => {
                // What is under way is finished; nothing more is read.
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke off");
        }
    }
}

/// Why a connection is not served.
enum Turned {
    /// There is no place for it.
    Full(Full),
    /// It is gone already.
    Gone(io::Error),
}

/// Tells the operator of a full house, not of everyone who finds it full.
fn tell(full: Full, peer: IpAddr, told: &mut Option<Instant>) {
    tracing::debug!(%peer, %full, "a connection was closed at once");
    if told.is_none_or(|told| told.elapsed() >= TELL) {
        *told = Some(Instant::now());
        tracing::warn!(%full, "connections are closed at once; at level debug each is told with its address");
    }
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    // Without it, a stream's events wait for each other's acknowledgement.
    stream.set_nodelay(true)?;
    // A client whose machine or network is gone says no goodbye.
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 3);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_accepted_connection_is_kept_alive_and_sends_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        prepare(&stream).unwrap();
        assert!(SockRef::from(&stream).keepalive().unwrap());
        assert!(stream.nodelay().unwrap());
    }
}
