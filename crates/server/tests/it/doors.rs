//! TLS at the door, as clients meet it.

use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::node::{API_KEY, Node, kijun, run};
use crate::raw::{connect, exchange, rest, statuses};

/// Signs a certificate for `kijun` into the folder; returns what clients need to trust it.
fn certificate(folder: &Path) -> (RootCertStore, Vec<u8>) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let made = CertificateParams::new(["kijun".to_owned()]).unwrap();
    let made = made.signed_by(&key, &issuer).unwrap();
    std::fs::write(folder.join("kijun.key"), key.serialize_pem()).unwrap();
    std::fs::write(folder.join("kijun.pem"), made.pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    (roots, made.der().to_vec())
}

fn secured(folder: &Path) -> Node {
    let mut command = kijun(folder);
    command
        .env("KIJUN_BOOTSTRAP_API_KEY", API_KEY)
        .env("KIJUN_SERVER_TLS_CERTIFICATE", folder.join("kijun.pem"))
        .env("KIJUN_SERVER_TLS_PRIVATE_KEY", folder.join("kijun.key"));
    Node::spawn(command)
}

fn visit(node: &Node, roots: RootCertStore) -> StreamOwned<ClientConnection, TcpStream> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("kijun").unwrap();
    let session = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(session, connect(node.address))
}

/// Asks over TLS; what came back, and the certificate of the node.
fn ask(node: &Node, roots: RootCertStore, request: &str) -> std::io::Result<(String, Vec<u8>)> {
    let mut stream = visit(node, roots);
    stream.write_all(request.as_bytes())?;
    let mut said = String::new();
    stream.read_to_string(&mut said)?;
    let leaf = stream.conn.peer_certificates().unwrap()[0].to_vec();
    Ok((said, leaf))
}

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nhost: kijun\r\nconnection: close\r\n\r\n";

#[test]
fn calls_are_answered_over_tls_and_only_so() {
    let folder = tempfile::tempdir().unwrap();
    let (roots, leaf) = certificate(folder.path());
    let node = secured(folder.path());
    assert!(node.banner.contains("https://"), "{}", node.banner);
    let body = crate::node::chat_body("Hello", true);
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: kijun\r\nauthorization: Bearer {API_KEY}\r\n\
         content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let (said, shown) = ask(&node, roots.clone(), &request).unwrap();
    assert_eq!(statuses(&said), [200]);
    assert!(said.contains("data: [DONE]"), "{said}");
    assert_eq!(shown, leaf);
    let plain = exchange(node.address, HEALTH.as_bytes());
    assert!(!plain.contains("HTTP/1."), "nothing is answered in the clear: {plain}");
    // Who begins a handshake and stops is in nobody's way.
    let mut stuck: Vec<_> = (0..50).map(|_| connect(node.address)).collect();
    for stream in &mut stuck {
        stream.write_all(&[22, 3, 1, 2, 0, 1]).unwrap();
    }
    assert_eq!(statuses(&ask(&node, roots, HEALTH).unwrap().0), [200]);
    assert!(!rest(&mut stuck[0]).contains("HTTP/1."), "and is cut off after a while");
}

#[test]
fn a_new_certificate_is_taken_at_a_signal_without_losing_a_connection() {
    let folder = tempfile::tempdir().unwrap();
    let (roots, _) = certificate(folder.path());
    let node = secured(folder.path());
    let mut before = visit(&node, roots);
    before.write_all(b"GET /healthz HTTP/1.1\r\nhost: kijun\r\n\r\n").unwrap();
    let mut first = [0; 12];
    before.read_exact(&mut first).unwrap();
    let (roots, leaf) = certificate(folder.path());
    node.signal("-HUP");
    let shown = (0..10_000).find_map(|_| ask(&node, roots.clone(), HEALTH).ok());
    assert_eq!(shown.expect("the new one is shown").1, leaf);
    before.write_all(HEALTH.as_bytes()).unwrap();
    let mut said = String::new();
    before.read_to_string(&mut said).unwrap();
    assert!(said.contains("HTTP/1.1 200"), "the connection from before goes on: {said}");
}

#[test]
fn a_node_without_certificates_lives_through_the_signal() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path());
    node.signal("-HUP");
    assert_eq!(node.chat(API_KEY, "Hello").0, 200);
    assert_eq!(statuses(&exchange(node.address, HEALTH.as_bytes())), [200]);
}

#[test]
fn a_certificate_that_cannot_be_used_opens_no_door() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path());
    let file = folder.path().join("kijun.toml");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let server = "[server]\nlisten = \"127.0.0.1:0\"";
    let tls = format!("[server.tls]\ncertificate = {:?}\n", path("kijun.pem"));
    std::fs::write(&file, format!("{server}\n{tls}")).unwrap();
    for verb in ["serve", "check"] {
        let output = run(folder.path(), &["--config", file.to_str().unwrap(), verb]);
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("private_key"), "{verb}: {said}");
    }
}
