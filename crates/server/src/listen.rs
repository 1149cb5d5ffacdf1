//! The door: accepts connections, speaks HTTP/1.1, and closes in order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use api::Edge;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::ServerConfig;
use crate::reading::Reading;

/// How long a connection may be silent before the kernel asks whether its client is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

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
}

/// Opens the door.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse { address },
        _ => ListenError::Other { address, source },
    })
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

/// Serves until `stop` is there, then closes the door. Returns the connections still open.
pub(crate) async fn serve(
    listener: TcpListener,
    edge: Edge,
    config: &ServerConfig,
    stop: impl Future<Output = ()>,
) -> Open {
    let (closing, _) = watch::channel(false);
    let mut connections = JoinSet::new();
    let edge = Arc::new(edge);
    let mut http = http1::Builder::new();
    let head_timeout = Duration::from_secs(config.request_timeout_secs);
    http.timer(TokioTimer::new()).header_read_timeout(head_timeout);
    let patience = match config.write_timeout_secs {
        0 => None,
        secs => Some(Duration::from_secs(secs)),
    };
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, _)) => match prepare(&stream) {
                Ok(()) => {
                    let stream = Reading::new(stream, patience);
                    connections.spawn(converse(
                        stream,
                        &http,
                        Arc::clone(&edge),
                        closing.subscribe(),
                    ));
                    while connections.try_join_next().is_some() {}
                }
                Err(error) => tracing::debug!(%error, "a connection was gone before it began"),
            },
            Err(error) => {
                // Out of file handles, most likely: give those in use time to close.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    Open { closing, connections }
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    // Without it, a stream's events wait for each other's acknowledgement.
    stream.set_nodelay(true)?;
    // A client whose machine or network is gone says no goodbye.
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 3);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

fn converse(
    stream: Reading<TcpStream>,
    http: &http1::Builder,
    edge: Arc<Edge>,
    mut closing: watch::Receiver<bool>,
) -> impl Future<Output = ()> + use<> {
    let service = service_fn(move |request| {
        let edge = Arc::clone(&edge);
        async move { edge.handle(request).await }
    });
    let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
    async move {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_accepted_connection_is_kept_alive_and_sends_at_once() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        prepare(&stream).unwrap();
        assert!(SockRef::from(&stream).keepalive().unwrap());
        assert!(stream.nodelay().unwrap());
    }
}
