//! From PEM files to what handshakes need.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use kernel::Timestamp;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use zeroize::Zeroizing;

use super::expiry::not_after;
use crate::config::{ClientAuth, TlsSection, TlsVersion};

/// Why there is no TLS, or no new certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// Only one of certificate and key is named.
    #[error(
        "server.tls: certificate and private_key belong together; name both, or neither for no TLS"
    )]
    Half,
    /// Client certificates without TLS.
    #[error("server.tls: client_ca needs certificate and private_key")]
    OnlyClients,
    /// A file cannot be read.
    #[error("server.tls: {} cannot be read: {source}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("server.tls: {} holds no {what} in PEM", path.display())]
    Empty {
        /// Which file.
        path: PathBuf,
        /// What is missing.
        what: &'static str,
    },
    /// What the files hold makes no TLS.
    #[error("server.tls: {what}: {why}")]
    Unusable {
        /// Which part.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

/// The files of one door.
#[derive(Debug, Clone)]
pub(super) struct Files {
    certificate: PathBuf,
    private_key: PathBuf,
    client_ca: Option<PathBuf>,
    client_auth: ClientAuth,
    min_version: TlsVersion,
}

/// What was made of them.
pub(super) struct Loaded {
    /// For handshakes.
    pub(super) config: Arc<ServerConfig>,
    /// When the certificate ends, if it says so readably.
    pub(super) not_after: Option<Timestamp>,
}

/// How the files look from outside. When it changes, they are read again.
pub(super) type Stamp = Vec<Option<(SystemTime, u64)>>;

impl Files {
    /// The files that a configuration names; `None` for no TLS.
    pub(super) fn of(section: &TlsSection) -> Result<Option<Self>, TlsError> {
        let named = |path: &Path| !path.as_os_str().is_empty();
        let client_ca = named(&section.client_ca).then(|| section.client_ca.clone());
        match (named(&section.certificate), named(&section.private_key)) {
            (false, false) if client_ca.is_some() => Err(TlsError::OnlyClients),
            (false, false) => Ok(None),
            (true, true) => Ok(Some(Self {
                certificate: section.certificate.clone(),
                private_key: section.private_key.clone(),
                client_ca,
                client_auth: section.client_auth,
                min_version: section.min_version,
            })),
            _ => Err(TlsError::Half),
        }
    }

    fn paths(&self) -> impl Iterator<Item = &Path> {
        let named = [Some(&self.certificate), Some(&self.private_key), self.client_ca.as_ref()];
        named.into_iter().flatten().map(PathBuf::as_path)
    }

    /// How they look from outside.
    pub(super) fn stamp(&self) -> Stamp {
        let look = |path: &Path| {
            let seen = fs::metadata(path).ok()?;
            Some((seen.modified().ok()?, seen.len()))
        };
        self.paths().map(look).collect()
    }

    /// Reads them.
    pub(super) fn load(&self) -> Result<Loaded, TlsError> {
        let chain = certificates(&self.certificate)?;
        let ends = chain.first().and_then(|leaf| not_after(leaf));
        let pem = Zeroizing::new(read(&self.private_key)?);
        let key = PrivateKeyDer::from_pem_slice(&pem)
            .map_err(|_| TlsError::Empty { path: self.private_key.clone(), what: "private key" })?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let unusable = |what: &'static str| {
            move |why: rustls::Error| TlsError::Unusable { what, why: why.to_string() }
        };
        let versions: &[&SupportedProtocolVersion] = match self.min_version {
            TlsVersion::V1_2 => &[&rustls::version::TLS13, &rustls::version::TLS12],
            TlsVersion::V1_3 => &[&rustls::version::TLS13],
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(unusable("min_version"))?
            .with_client_cert_verifier(self.client_verifier()?)
            // Fails where the key is not the certificate's.
            .with_single_cert(chain, key)
            .map_err(unusable("certificate and private_key"))?;
        // All suites are sound; the strongest is ours to choose.
        config.ignore_client_order = true;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // Its keys change by themselves, every few hours. A session under another certificate or
        // another client_ca is not taken up again: each configuration has tickets of its own.
        config.ticketer =
            rustls::crypto::aws_lc_rs::Ticketer::new().map_err(unusable("session tickets"))?;
        Ok(Loaded { config: Arc::new(config), not_after: ends })
    }

    fn client_verifier(&self) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let Some(path) = &self.client_ca else { return Ok(Arc::new(NoClientAuth)) };
        let unusable = |why: String| TlsError::Unusable { what: "client_ca", why };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier = match self.client_auth {
            ClientAuth::Required => verifier,
            ClientAuth::Optional => verifier.allow_unauthenticated(),
        };
        verifier.build().map_err(|error| unusable(error.to_string()))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.ok().filter(|found| !found.is_empty());
    found.ok_or_else(|| TlsError::Empty { path: path.to_owned(), what: "certificate" })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
}
