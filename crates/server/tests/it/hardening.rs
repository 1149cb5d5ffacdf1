//! What an attacker sends: requests that mean two things, heads and bodies without end, clients
//! that stop in the middle, names that are paths.

use std::io::Write as _;
use std::net::SocketAddr;

use crate::node::{API_KEY, Node, kijun};
use crate::raw::{ask, connect, exchange, rest, statuses};

/// What an attacker hides behind another request.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nhost: kijun\r\n\r\n";

fn node(folder: &std::path::Path, settings: &[(&str, &str)]) -> Node {
    let mut command = kijun(folder);
    command.env("KIJUN_BOOTSTRAP_API_KEY", API_KEY).envs(settings.iter().copied());
    Node::spawn(command)
}

/// Asserts that bytes are one request, refused with one of these statuses, and that nothing after
/// it is read.
fn is_refused(address: SocketAddr, bytes: &str, with: &[u16]) {
    let said = exchange(address, format!("{bytes}{HIDDEN}").as_bytes());
    let statuses = statuses(&said);
    assert_eq!(statuses.len(), 1, "one request: {bytes:?}\n{said}");
    assert!(with.contains(&statuses[0]), "{bytes:?}\n{said}");
    assert!(!said.contains("/hidden"), "{bytes:?}\n{said}");
}

#[test]
fn no_request_hides_in_another_ones_head() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path(), &[]);
    let head = |lines: &str| format!("POST /v1/models HTTP/1.1\r\nhost: kijun\r\n{lines}\r\n");
    for lines in [
        // Two lengths, and lengths that are none.
        "content-length: 0\r\ncontent-length: 5\r\n",
        "content-length: 0, 5\r\n",
        "content-length: +0\r\n",
        "content-length: -1\r\n",
        "content-length: 0x0\r\n",
        "content-length: 0 0\r\n",
        "content-length: \r\n",
        "content-length: 99999999999999999999999\r\n",
        // Codings that one server undoes and another does not.
        "transfer-encoding: identity\r\n",
        "transfer-encoding: xchunked\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding: chunked, chunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: \x0bchunked\r\n",
        "transfer-encoding: \"chunked\"\r\n",
        "transfer-encoding: chunked;a=b\r\n",
        // Headers that one server sees and another does not.
        "content-length : 5\r\n",
        "transfer-encoding : chunked\r\n",
        "transfer-encoding\t: chunked\r\n",
        " transfer-encoding: chunked\r\n",
        "x: a\r\n transfer-encoding: chunked\r\n",
        "x: a\rtransfer-encoding: chunked\r\n",
        "x: a\0b\r\n",
        "x\0: a\r\n",
        "x\r\n",
        ": a\r\n",
        // Hosts.
        "host: other\r\n",
    ] {
        is_refused(node.address, &head(lines), &[400]);
    }
    for bytes in [
        "GET /healthz HTTP/1.1\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost: a b\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost: a/b\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost: a@b\r\n\r\n",
        "POST /healthz HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
        "GET /healthz\r\n\r\n",
        "GET  /healthz HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /healthz HTTP/1.1 x\r\nhost: a\r\n\r\n",
        "GET /hea lth HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /healthz HTTP/1.2\r\nhost: a\r\n\r\n",
        "GE\0T /healthz HTTP/1.1\r\nhost: a\r\n\r\n",
    ] {
        is_refused(node.address, bytes, &[400, 505]);
    }
    // To HTTP/2 there is nothing to say.
    let said =
        exchange(node.address, format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{HIDDEN}").as_bytes());
    assert_eq!(said, "");
    for method in ["CONNECT kijun:80", "TRACE /healthz"] {
        is_refused(node.address, &format!("{method} HTTP/1.1\r\nhost: a\r\n\r\n"), &[501]);
    }
}

#[test]
fn no_request_hides_in_another_ones_body() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path(), &[]);
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: kijun\r\nauthorization: Bearer {API_KEY}\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n"
    );
    for body in [
        "0x1\r\na\r\n0\r\n\r\n",
        "+1\r\na\r\n0\r\n\r\n",
        "-1\r\na\r\n0\r\n\r\n",
        " \r\na\r\n0\r\n\r\n",
        "g\r\na\r\n0\r\n\r\n",
        "1\na\n0\n\n",
        "1\r\nab\r\n0\r\n\r\n",
        "1\r\na0\r\n\r\n",
        "1;a\nb\r\na\r\n0\r\n\r\n",
        "fffffffffffffffff\r\na\r\n0\r\n\r\n",
    ] {
        is_refused(node.address, &format!("{head}\r\n{body}"), &[400]);
    }
    // Extensions of chunks say nothing, and there is an end to them.
    let endless = format!("{head}\r\n1;{}\r\na\r\n0\r\n\r\n", "x".repeat(100_000));
    is_refused(node.address, &endless, &[400]);
    // With a length beside its chunks, a request is read by its chunks and is the last one.
    for lines in ["content-length: 5\r\n", "content-length: 500\r\n"] {
        is_refused(node.address, &format!("{head}{lines}\r\n0\r\n\r\n"), &[400]);
    }
}

#[test]
fn a_head_without_end_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path(), &[]);
    let start = "GET /healthz HTTP/1.1\r\nhost: kijun\r\n";
    is_refused(node.address, &format!("{start}{}\r\n", "x: y\r\n".repeat(200)), &[431]);
    is_refused(node.address, &format!("{start}x: {}\r\n\r\n", "y".repeat(70_000)), &[431]);
    is_refused(node.address, &format!("{start}x: {}", "y".repeat(1 << 20)), &[431]);
    is_refused(node.address, &"x".repeat(1 << 20), &[400, 431]);
    let long = "y".repeat(70_000);
    is_refused(node.address, &format!("GET /{long} HTTP/1.1\r\nhost: kijun\r\n\r\n"), &[414, 431]);
    let said = exchange(
        node.address,
        format!("{start}connection: close\r\nx: {}\r\n\r\n", "y".repeat(50_000)).as_bytes(),
    );
    assert_eq!(statuses(&said), [200], "what is long but not too long: {said}");
}

#[test]
fn a_body_that_explodes_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path(), &[]);
    let deep = |open: &str| open.repeat(200_000);
    let long = |digit: &str| digit.repeat(1_000_000);
    for path in ["/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/completions"] {
        for value in [
            deep("["),
            deep("{\"a\":"),
            format!("{}{}", deep("["), deep("]")),
            long("9"),
            format!("0.{}", long("1")),
            format!("1e{}", long("9")),
            format!("\"{}\"", "\\ud800".repeat(200_000)),
        ] {
            for field in ["input", "messages", "prompt", "temperature", "metadata", "unknown"] {
                let body = format!("{{\"model\":\"kijun-sim\",\"{field}\":{value}}}");
                let (status, said) = node.send("POST", path, API_KEY, &body);
                assert!(status < 500, "{path} {field}: {status} {said}");
            }
        }
    }
    assert_eq!(node.chat(API_KEY, "Hello").0, 200);
}

#[test]
fn who_stops_in_the_middle_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path(), &[("KIJUN_SERVER_REQUEST_TIMEOUT_SECS", "1")]);
    let mut silent = connect(node.address);
    assert_eq!(rest(&mut silent), "", "who says nothing");
    let mut head = connect(node.address);
    head.write_all(b"GET /healthz HTTP/1.1\r\nhost: k").unwrap();
    assert!(statuses(&rest(&mut head)).iter().all(|status| *status == 408), "half a head");
    let mut idle = connect(node.address);
    assert_eq!(ask(&mut idle).unwrap(), 200);
    assert_eq!(rest(&mut idle), "", "who asks nothing more");
    let mut body = connect(node.address);
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: kijun\r\nauthorization: Bearer {API_KEY}\r\n\
         content-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
    );
    body.write_all(head.as_bytes()).unwrap();
    assert_eq!(statuses(&rest(&mut body)), [408], "half a body");
}

#[test]
fn a_flood_of_connections_takes_no_more_than_its_places() {
    for setting in ["KIJUN_SERVER_MAX_CONNECTIONS", "KIJUN_SERVER_MAX_CONNECTIONS_PER_PEER"] {
        let folder = tempfile::tempdir().unwrap();
        let node = node(folder.path(), &[(setting, "3")]);
        let mut held: Vec<_> = (0..3).map(|_| connect(node.address)).collect();
        for stream in &mut held {
            assert_eq!(ask(stream).unwrap(), 200);
        }
        assert!(ask(&mut connect(node.address)).is_err(), "{setting}: the fourth is closed");
        assert_eq!(ask(&mut held[0]).unwrap(), 200, "{setting}: the others are not disturbed");
        held.pop();
        let served = || ask(&mut connect(node.address)).is_ok_and(|status| status == 200);
        assert!((0..10_000).any(|_| served()), "{setting}: there is a place again");
    }
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("KIJUN_SERVER_MAX_CONNECTIONS_PER_PEER", "1"),
        ("KIJUN_SERVER_TRUSTED_PROXIES", "127.0.0.0/8"),
    ];
    let node = node(folder.path(), &settings);
    let mut held = [connect(node.address), connect(node.address)];
    assert!(held.iter_mut().all(|stream| ask(stream).unwrap() == 200), "a proxy is many clients");
}

#[test]
fn the_name_of_a_file_is_no_path() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path(), &[]);
    for name in [
        "../../../../escaped.txt",
        "/escaped.txt",
        "..\\..\\escaped.txt",
        "C:\\escaped.txt",
        "escaped\u{202e}txt.exe",
        "escaped%0d%0aset-cookie: a",
        "escaped\u{0}.txt",
        "escaped\u{7f}\u{9b}31m.txt",
        ".",
        "..",
    ] {
        let form = format!(
            "--x\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nuser_data\r\n--x\r\n\
             content-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\nhello\r\n\
             --x--\r\n"
        );
        let request = format!(
            "POST /v1/files HTTP/1.1\r\nhost: kijun\r\nauthorization: Bearer {API_KEY}\r\n\
             connection: close\r\ncontent-type: multipart/form-data; boundary=x\r\n\
             content-length: {}\r\n\r\n{form}",
            form.len()
        );
        let said = exchange(node.address, request.as_bytes());
        let (_, body) = said.split_once("\r\n\r\n").unwrap();
        let made: serde_json::Value = serde_json::from_str(body).unwrap();
        if statuses(&said) == [400] {
            continue;
        }
        let id = made["id"].as_str().expect("it is made");
        let content = format!(
            "GET /v1/files/{id}/content HTTP/1.1\r\nhost: kijun\r\nauthorization: Bearer \
             {API_KEY}\r\nconnection: close\r\n\r\n"
        );
        let said = exchange(node.address, content.as_bytes());
        let (head, body) = said.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "hello", "{name:?}");
        let lines: Vec<_> = head.lines().filter(|line| line.contains("escaped")).collect();
        assert!(lines.len() <= 1, "{name:?} is one header: {head}");
        assert!(lines.iter().all(|line| line.starts_with("content-disposition: attachment")));
        assert!(head.is_ascii() && !head.contains('\u{7f}'), "{head}");
    }
    let found = std::process::Command::new("find").arg(folder.path()).output().unwrap();
    let found = String::from_utf8_lossy(&found.stdout).into_owned();
    assert!(found.contains("blobs") && !found.contains("escaped"), "{found}");
}
