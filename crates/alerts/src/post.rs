//! One HTTP POST to a stranger's server: no redirect, no more than its status read, and only to an
//! address that was checked.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::OnceCell;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::Reach;

/// Why nothing came of it. The messages hold no URL, which may carry a token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostError {
    #[error("its URL {0}")]
    Url(String),
    #[error("its host name is not known: {0}")]
    Unknown(io::Error),
    #[error(
        "its host has no address that webhooks may lead to; alerts.webhook_addresses in the \
         configuration says which they may"
    )]
    OutOfReach,
    #[error("no connection: {0}")]
    Unreachable(io::Error),
    #[error("no TLS: {0}")]
    Tls(String),
    #[error("it closed the connection before it answered")]
    Lost,
    #[error("it did not answer within {} ms", .0.as_millis())]
    TooSlow(Duration),
}

/// Posts to strangers' servers.
#[derive(Debug)]
pub(crate) struct Poster {
    reach: Reach,
    patience: Duration,
    tls: OnceCell<Arc<ClientConfig>>,
}

impl Poster {
    pub(crate) const fn new(reach: Reach, patience: Duration) -> Self {
        Self { reach, patience, tls: OnceCell::const_new() }
    }

    /// Posts JSON, and returns the status that came back.
    pub(crate) async fn post(
        &self,
        url: &str,
        headers: HeaderMap,
        body: String,
    ) -> Result<StatusCode, PostError> {
        let target = Target::parse(url).map_err(PostError::Url)?;
        let exchange = self.exchange(&target, headers, body);
        timeout(self.patience, exchange).await.unwrap_or(Err(PostError::TooSlow(self.patience)))
    }

    async fn exchange(
        &self,
        target: &Target,
        headers: HeaderMap,
        body: String,
    ) -> Result<StatusCode, PostError> {
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = target.path.clone();
        *request.headers_mut() = headers;
        let host = target.authority.parse().map_err(|_| PostError::Url("has no host".into()))?;
        request.headers_mut().insert(header::HOST, host);
        let tcp = self.connect(target).await?;
        if !target.tls {
            return ask(tcp, request).await;
        }
        let config = self.tls.get_or_try_init(load).await?;
        let name = ServerName::try_from(target.host.clone())
            .map_err(|_| PostError::Tls("its host name is no DNS name".into()))?;
        let tls = TlsConnector::from(Arc::clone(config)).connect(name, tcp).await;
        ask(tls.map_err(|error| PostError::Tls(error.to_string()))?, request).await
    }

    /// Connects to the very address that was checked: a name that is looked up again may lead
    /// elsewhere by then.
    async fn connect(&self, target: &Target) -> Result<TcpStream, PostError> {
        let found = lookup_host((target.host.as_str(), target.port)).await;
        let addresses: Vec<SocketAddr> = found
            .map_err(PostError::Unknown)?
            .filter(|address| self.reach.allows(address.ip()))
            .collect();
        let mut wrong = PostError::OutOfReach;
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(tcp) => return Ok(tcp),
                Err(error) => wrong = PostError::Unreachable(error),
            }
        }
        Err(wrong)
    }
}

/// One request on a fresh connection, which is closed as soon as the answer's head is here.
async fn ask<S>(stream: S, request: Request<Full<Bytes>>) -> Result<StatusCode, PostError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|_| PostError::Lost)?;
    let mut answer = pin!(sender.send_request(request));
    let answered = tokio::select! {
        biased;
        answered = &mut answer => answered,
        // It may have ended because all is said.
        _ = connection => answer.await,
    };
    Ok(answered.map_err(|_| PostError::Lost)?.status())
}

/// A URL, taken apart.
#[derive(Debug)]
pub(crate) struct Target {
    tls: bool,
    /// A DNS name or an address, without the brackets of IPv6.
    host: String,
    port: u16,
    authority: String,
    path: Uri,
}

impl Target {
    /// Reads an address that can be posted to, or says what is wrong with it without repeating it.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{why}; write one such as https://example.com/hooks/kijun");
        let uri: Uri = url.trim().parse().map_err(|_| wrong("cannot be read as a URL"))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong("begins neither with https:// nor with http://")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("has no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("carries a user name or password; posts are signed instead"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(wrong("has no host"));
        }
        let port = match authority.port_u16() {
            Some(0) => return Err(wrong("has the port 0, which cannot be reached")),
            Some(port) => port,
            None if authority.as_str().len() > authority.host().len() => {
                return Err(wrong("has a port that is no number from 1 to 65535"));
            }
            None if tls => 443,
            None => 80,
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            tls,
            host: host.to_owned(),
            port,
            authority: authority.as_str().to_owned(),
            path: path.parse().map_err(|_| wrong("has a path that cannot be sent"))?,
        })
    }

    /// Whether its host is an address that may not be posted to. Where a name leads is known only
    /// when something is posted.
    pub(crate) fn is_out_of(&self, reach: Reach) -> bool {
        self.host.parse::<IpAddr>().is_ok_and(|address| !reach.allows(address))
    }
}

/// Reading the system's certificate authorities takes milliseconds that only `https://` has to spend.
async fn load() -> Result<Arc<ClientConfig>, PostError> {
    let config = tokio::task::spawn_blocking(client_config).await;
    config.map_err(|_| PostError::Tls("the certificate authorities could not be read".into()))?
}

fn client_config() -> Result<Arc<ClientConfig>, PostError> {
    let mut roots = RootCertStore::empty();
    let (trusted, _) =
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if trusted == 0 {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| PostError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let target = Target::parse("https://hooks.example:8443/a?b=c").unwrap();
        assert!(target.tls);
        assert_eq!((target.host.as_str(), target.port), ("hooks.example", 8443));
        assert_eq!(
            (target.authority.as_str(), target.path),
            ("hooks.example:8443", "/a?b=c".parse().unwrap())
        );
        let bare = Target::parse("http://[::1]").unwrap();
        assert_eq!((bare.host.as_str(), bare.port, bare.path.path()), ("::1", 80, "/"));
    }

    #[test]
    fn what_cannot_be_posted_to_is_refused_and_not_repeated() {
        for wrong in [
            "",
            "hooks.example/hunter2",
            "ftp://hooks.example/hunter2",
            "file:///etc/hunter2",
            "https://me:hunter2@hooks.example",
            "https://hooks.example:0/hunter2",
            "https://hooks.example:99999/hunter2",
            "https://hooks.example:/hunter2",
            "https:///hunter2",
            "https://hooks example/hunter2",
        ] {
            let error = Target::parse(wrong).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[tokio::test]
    async fn what_is_out_of_reach_is_not_connected_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let poster = Poster::new(Reach::Public, Duration::from_secs(5));
        let error = poster.post(&url, HeaderMap::new(), "{}".into()).await.unwrap_err();
        assert!(matches!(error, PostError::OutOfReach), "{error}");
        assert!(error.to_string().contains("alerts.webhook_addresses"));
    }
}
