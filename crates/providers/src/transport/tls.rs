//! TLS to providers. Its configuration is built when the first `https://` call needs it: reading
//! the system's certificate authorities takes milliseconds and memory that a node with only local
//! models never has to spend.

use std::io;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::TransportError;

/// The client side of TLS, shared by all hosts.
#[derive(Default)]
pub(super) struct Tls {
    connector: OnceCell<TlsConnector>,
}

impl Tls {
    /// Shakes hands with the server, whose certificate must be for `host`.
    pub(super) async fn connect(
        &self,
        host: &str,
        tcp: TcpStream,
    ) -> Result<TlsStream<TcpStream>, TransportError> {
        let connector = self.connector.get_or_try_init(load).await?;
        let name = ServerName::try_from(host.to_owned()).map_err(|_| TransportError::Tls {
            why: "its host name is no valid DNS name".to_owned(),
        })?;
        connector.connect(name, tcp).await.map_err(|error| {
            tracing::warn!(host, %error, "no TLS connection to a provider");
            TransportError::Tls { why: explain(&error).to_owned() }
        })
    }
}

/// What clients may read of it: rustls's own words can hold names inside the certificate.
fn explain(error: &io::Error) -> &'static str {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(wrong)) => match wrong {
            CertificateError::UnknownIssuer => {
                "its certificate is signed by an authority that this system does not know; add \
                 the authority to the system's certificates"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "its certificate is for another host name"
            }
            _ => "its certificate is not valid",
        },
        Some(rustls::Error::AlertReceived(_)) => "it refused the handshake",
        _ => "the handshake failed; does it speak TLS at this port?",
    }
}

async fn load() -> Result<TlsConnector, TransportError> {
    let config = tokio::task::spawn_blocking(client_config).await.map_err(|_| {
        TransportError::Tls { why: "the certificate authorities could not be read".to_owned() }
    })??;
    Ok(TlsConnector::from(Arc::new(config)))
}

fn client_config() -> Result<ClientConfig, TransportError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TransportError::Tls { why: error.to_string() })?
        .with_root_certificates(authorities())
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The system's authorities, private ones included; Mozilla's where the system has none.
fn authorities() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    let (trusted, ignored) = roots.add_parsable_certificates(system.certs);
    if trusted == 0 {
        tracing::info!("no certificate authorities on this system; using Mozilla's");
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    } else {
        tracing::debug!(trusted, ignored, "loaded the system's certificate authorities");
    }
    roots
}
