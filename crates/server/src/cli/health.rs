//! `kijun health`: for whoever keeps the node running and can only run a command, such as Docker.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::Args;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Failed;
use crate::config::Config;

/// How long the node may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes that the status line of an answer may have.
const STATUS_LINE: u64 = 64;

/// What to ask.
#[derive(Debug, Args)]
pub(super) struct Question {
    /// Ask whether calls should be sent to it, and not only whether it lives.
    #[arg(long)]
    ready: bool,
}

/// Asks the node that this configuration starts. Through TLS only whether it takes connections is
/// seen: it may want a certificate that this command has not got.
pub(super) async fn run(question: &Question, config: &Config) -> Result<(), Failed> {
    let address = reached(config.server.listen);
    let path = if question.ready { "/readyz" } else { "/healthz" };
    let path = Some(path).filter(|_| config.server.tls.certificate.as_os_str().is_empty());
    match timeout(PATIENCE, ask(address, path)).await {
        Ok(answered) => answered,
        Err(_) => Err(Failed::new(format!(
            "the node at {address} did not answer within {} seconds",
            PATIENCE.as_secs()
        ))),
    }
}

async fn ask(address: SocketAddr, path: Option<&str>) -> Result<(), Failed> {
    let away = |error| {
        Failed::new(format!("there is no node at {address}: {error}; start it, or say --listen"))
    };
    let mut stream = TcpStream::connect(address).await.map_err(away)?;
    let Some(path) = path else { return Ok(()) };
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut read = Vec::new();
    stream.take(STATUS_LINE).read_to_end(&mut read).await?;
    let said = String::from_utf8_lossy(&read);
    let line = said.lines().next().unwrap_or_default();
    if line.starts_with("HTTP/1.1 200 ") {
        return Ok(());
    }
    Err(Failed::new(format!("the node at {address} answered {path} with `{line}`")))
}

/// Where a node that listens there is reached from its own machine.
fn reached(listen: SocketAddr) -> SocketAddr {
    let own: IpAddr = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(own, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// A node that answers one request so.
    async fn answering(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 512];
            let read = stream.read(&mut request).await.unwrap();
            assert!(request[..read].starts_with(b"GET /readyz HTTP/1.1\r\n"));
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        address
    }

    #[tokio::test]
    async fn an_answer_is_understood() {
        let well = answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        assert!(ask(well, Some("/readyz")).await.is_ok());
        let ill = answering("HTTP/1.1 503 Service Unavailable\r\n\r\n").await;
        let error = ask(ill, Some("/readyz")).await.unwrap_err().to_string();
        assert!(error.ends_with("with `HTTP/1.1 503 Service Unavailable`"), "{error}");
    }

    #[tokio::test]
    async fn nobody_at_home_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        assert!(ask(address, None).await.is_ok());
        drop(listener);
        let error = ask(address, None).await.unwrap_err().to_string();
        assert!(error.starts_with("there is no node at"), "{error}");
    }

    #[test]
    fn everywhere_is_here_too() {
        assert_eq!(reached("0.0.0.0:80".parse().unwrap()), "127.0.0.1:80".parse().unwrap());
        assert_eq!(reached("[::]:80".parse().unwrap()), "[::1]:80".parse().unwrap());
        assert_eq!(reached("10.0.0.1:80".parse().unwrap()), "10.0.0.1:80".parse().unwrap());
    }
}
