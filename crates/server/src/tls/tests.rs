//! Handshakes with certificates that are made here.

use std::fs;
use std::path::PathBuf;

use kernel::{Clock as _, SystemClock};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use testkit::FakeClock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::TlsConnector;

use super::*;
use crate::config::{ClientAuth, TlsVersion};
use crate::logs::tests::logged;

/// Signs certificates.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

/// A certificate with its key.
pub(super) struct Made {
    pub(super) der: Vec<u8>,
    pem: String,
    key: KeyPair,
}

pub(super) fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Authority { issuer: Issuer::new(params, key), certificate }
}

impl Authority {
    /// A certificate until the first day of a year.
    pub(super) fn issue(&self, name: &str, until: i32) -> Made {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Made { der: certificate.der().to_vec(), pem: certificate.pem(), key }
    }

    fn trusted(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        roots
    }
}

/// A door's files.
struct Door {
    folder: tempfile::TempDir,
    authority: Authority,
    section: TlsSection,
}

impl Door {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = authority();
        let section = TlsSection {
            certificate: folder.path().join("kijun.pem"),
            private_key: folder.path().join("kijun.key"),
            ..TlsSection::default()
        };
        let door = Self { folder, authority, section };
        door.put(&door.authority.issue("kijun", 2031));
        door
    }

    fn put(&self, made: &Made) {
        fs::write(&self.section.certificate, &made.pem).unwrap();
        fs::write(&self.section.private_key, made.key.serialize_pem()).unwrap();
    }

    /// From now on clients need a certificate of this authority.
    fn ask_for_certificates(&mut self, client_auth: ClientAuth) -> Authority {
        let authority = authority();
        let path = self.folder.path().join("clients.pem");
        fs::write(&path, authority.certificate.pem()).unwrap();
        self.section.client_ca = path;
        self.section.client_auth = client_auth;
        authority
    }

    fn open(&self) -> Arc<Tls> {
        Tls::open(&self.section, Arc::new(SystemClock)).unwrap().unwrap()
    }

    fn client(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        shows: Option<&Made>,
    ) -> ClientConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(self.authority.trusted());
        match shows {
            None => builder.with_no_client_auth(),
            Some(made) => {
                let key = PrivateKeyDer::try_from(made.key.serialize_der()).unwrap();
                let chain = vec![CertificateDer::from(made.der.clone())];
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        }
    }
}

/// Shakes hands and says hello both ways; the server's leaf certificate and the version.
async fn visit(tls: &Tls, client: ClientConfig) -> io::Result<(Vec<u8>, ProtocolVersion)> {
    let (ours, theirs) = duplex(64 * 1024);
    let served = async {
        let mut stream = tls.accept(ours).await?;
        let mut hello = [0; 5];
        stream.read_exact(&mut hello).await?;
        stream.write_all(&hello).await?;
        stream.shutdown().await
    };
    let visiting = async {
        let connector = TlsConnector::from(Arc::new(client));
        let name = ServerName::try_from("kijun").unwrap();
        let mut stream = connector.connect(name, theirs).await?;
        stream.write_all(b"hello").await?;
        let mut said = Vec::new();
        stream.read_to_end(&mut said).await?;
        assert_eq!(said, b"hello");
        let (_, session) = stream.get_ref();
        let leaf = session.peer_certificates().unwrap()[0].to_vec();
        Ok((leaf, session.protocol_version().unwrap()))
    };
    let (served, visited) = tokio::join!(served, visiting);
    served.and(visited)
}

const BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];
const OLD: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];

#[tokio::test]
async fn the_oldest_version_is_chosen_by_the_operator() {
    let mut door = Door::new();
    let tls = door.open();
    let version = |visited: io::Result<(_, ProtocolVersion)>| visited.map(|(_, version)| version);
    let spoken = version(visit(&tls, door.client(BOTH, None)).await);
    assert_eq!(spoken.unwrap(), ProtocolVersion::TLSv1_3);
    let spoken = version(visit(&tls, door.client(OLD, None)).await);
    assert_eq!(spoken.unwrap(), ProtocolVersion::TLSv1_2);
    door.section.min_version = TlsVersion::V1_3;
    let tls = door.open();
    assert!(visit(&tls, door.client(OLD, None)).await.is_err());
    assert!(visit(&tls, door.client(BOTH, None)).await.is_ok());
}

#[tokio::test]
async fn clients_show_a_certificate_where_one_is_asked_for() {
    let mut door = Door::new();
    let clients = door.ask_for_certificates(ClientAuth::Required);
    let (known, stranger) = (clients.issue("client", 2031), authority().issue("client", 2031));
    let tls = door.open();
    assert!(visit(&tls, door.client(BOTH, Some(&known))).await.is_ok());
    assert!(visit(&tls, door.client(BOTH, Some(&stranger))).await.is_err());
    assert!(visit(&tls, door.client(BOTH, None)).await.is_err());
    door.section.client_auth = ClientAuth::Optional;
    let tls = door.open();
    assert!(visit(&tls, door.client(BOTH, None)).await.is_ok());
    assert!(visit(&tls, door.client(BOTH, Some(&stranger))).await.is_err());
}

#[tokio::test]
async fn a_new_certificate_is_taken_and_a_broken_one_is_not() {
    let door = Door::new();
    let tls = door.open();
    let next = door.authority.issue("kijun", 2032);
    door.put(&next);
    tls.reload().await;
    let (leaf, _) = visit(&tls, door.client(BOTH, None)).await.unwrap();
    assert_eq!(leaf, next.der);
    assert_eq!(tls.not_after().map(Timestamp::as_secs), Some(1_956_528_000));
    for broken in ["", "nonsense", &door.authority.issue("kijun", 2033).pem] {
        fs::write(&door.section.certificate, broken).unwrap();
        tls.reload().await;
        let (leaf, _) = visit(&tls, door.client(BOTH, None)).await.unwrap();
        assert_eq!(leaf, next.der, "{broken}");
    }
}

#[tokio::test(start_paused = true)]
async fn files_that_change_are_read_again_by_themselves() {
    let door = Door::new();
    let tls = door.open();
    // Also a change before the first look is seen.
    door.put(&door.authority.issue("a-longer-name.kijun", 2032));
    assert_ne!(tls.files.stamp(), tls.seen, "the change can be seen from outside");
    let hang_ups = signal(SignalKind::hangup()).unwrap();
    let fresh = tokio::spawn(Arc::clone(&tls).keep_fresh(hang_ups));
    let taken = async {
        while tls.not_after().map(Timestamp::as_secs) != Some(1_956_528_000) {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(LOOK * 1_000, taken).await.expect("the new one is taken");
    fresh.abort();
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_stops_in_the_middle_is_given_up() {
    let door = Door::new();
    let tls = door.open();
    let (ours, _silent): (DuplexStream, DuplexStream) = duplex(1024);
    let error = tls.accept(ours).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[test]
fn what_cannot_be_secured_is_not_opened() {
    let door = Door::new();
    let refused = |change: &dyn Fn(&mut TlsSection)| {
        let mut section = door.section.clone();
        change(&mut section);
        let opened = Tls::open(&section, Arc::new(SystemClock));
        opened.err().expect("it is refused").to_string()
    };
    assert!(refused(&|section| section.private_key = PathBuf::new()).contains("belong together"));
    assert!(refused(&|section| section.certificate = "/nowhere".into()).contains("/nowhere"));
    let key = &door.section.private_key;
    assert!(refused(&|section| section.certificate.clone_from(key)).contains("no certificate"));
    assert!(refused(&|section| section.client_ca.clone_from(key)).contains("no certificate"));
    let alone = |section: &mut TlsSection| {
        *section = TlsSection { client_ca: key.clone(), ..TlsSection::default() };
    };
    assert!(refused(&alone).contains("client_ca needs"));
    assert!(Tls::open(&TlsSection::default(), Arc::new(SystemClock)).unwrap().is_none());
}

#[test]
fn the_end_is_told_the_louder_the_sooner() {
    let door = Door::new();
    let tls = door.open();
    let end = tls.not_after().unwrap();
    let told = |days: i64| {
        let now = Timestamp::from_secs(end.as_secs() - days * 86_400);
        logged(|| drop(Tls::open(&door.section, Arc::new(FakeClock::at(now))).unwrap()))
    };
    assert!(told(60).contains("INFO") && told(60).contains("days=60"));
    assert!(told(5).contains("WARN") && told(5).contains("days=5"));
    assert!(told(0).contains("ERROR"));
    assert!(SystemClock.now() < end);
}
