//! `[server]` and `[outbound]`: the doors in and out.

use std::net::SocketAddr;
use std::path::PathBuf;

use api::{ProxyHeader, TrustedProxies};
use ipnet::IpNet;
use serde::{Deserialize, Deserializer};

/// `[server]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServerConfig {
    /// Where clients reach Kijun.
    pub(crate) listen: SocketAddr,
    /// Where database, keys and journal are.
    pub(crate) data_dir: PathBuf,
    /// Bytes of the largest request body.
    pub(crate) max_body_bytes: usize,
    /// Seconds for a request's head, and again for its body.
    pub(crate) request_timeout_secs: u64,
    /// Seconds that a client may read nothing; 0: for ever.
    pub(crate) write_timeout_secs: u64,
    /// Seconds for running calls after a stop.
    pub(crate) drain_secs: u64,
    /// Connections at once; 0: as many as come.
    pub(crate) max_connections: usize,
    /// Connections at once of one address; 0: as many as come.
    pub(crate) max_connections_per_peer: usize,
    /// Bytes of the largest request head.
    pub(crate) max_head_bytes: usize,
    /// Networks of the proxies before this node.
    #[serde(deserialize_with = "nets")]
    trusted_proxies: Vec<IpNet>,
    /// Which header they write.
    proxy_header: ProxyHeader,
    /// Whether the memory of a crashed node may be written to the disk.
    pub(crate) core_dumps: bool,
    /// Certificates.
    pub(crate) tls: TlsSection,
}

impl ServerConfig {
    /// Whose word about a client's address is taken.
    pub(crate) fn proxies(&self) -> TrustedProxies {
        TrustedProxies::new(self.trusted_proxies.clone(), self.proxy_header)
    }
}

/// `[server.tls]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsSection {
    /// The certificate and its chain, PEM. Empty: no TLS.
    pub(crate) certificate: PathBuf,
    /// Its private key, PEM.
    pub(crate) private_key: PathBuf,
    /// Who signs clients' certificates, PEM. Empty: none is asked for.
    pub(crate) client_ca: PathBuf,
    /// Whether a client must show one.
    pub(crate) client_auth: ClientAuth,
    /// The oldest TLS that is spoken.
    pub(crate) min_version: TlsVersion,
}

/// Whether a client must show a certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClientAuth {
    /// It must.
    #[default]
    Required,
    /// It may show none; one that it shows must be right.
    Optional,
}

/// Versions of TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum TlsVersion {
    /// TLS 1.2, with forward secrecy and authenticated encryption only.
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    V1_3,
}

/// A network, or an address as a network of its own.
pub(super) fn nets<'de, D: Deserializer<'de>>(list: D) -> Result<Vec<IpNet>, D::Error> {
    let texts = Vec::<String>::deserialize(list)?;
    let net = |text: &String| providers::net(text).map_err(serde::de::Error::custom);
    texts.iter().map(net).collect()
}
