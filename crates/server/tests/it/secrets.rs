//! Keys that do not work are as secret as those that do: they are in no log, however much is
//! logged, wherever they stood in a request that was refused.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::json;

use crate::node::{ADMIN_KEY, API_KEY, Node, kijun, taken_port};
use crate::raw::exchange;
use crate::search::Search;

/// What must not be found.
const SECRET: &str = "sk-Kanari7qGeheim";

/// A node that says all it can; everything that it says is in the folder.
fn talkative(folder: &std::path::Path, format: &str) -> Node {
    let mut command = kijun(folder);
    command
        .env("KIJUN_BOOTSTRAP_API_KEY", API_KEY)
        .env("KIJUN_BOOTSTRAP_ADMIN_KEY", ADMIN_KEY)
        .env("KIJUN_LOG_LEVEL", "trace")
        .env("KIJUN_LOG_FORMAT", format)
        .env("RUST_BACKTRACE", "1")
        .args(["serve", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(File::create(folder.join("log")).unwrap());
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let banner: String = lines.map_while(Result::ok).take(2).collect();
    let (_, address) = banner.split_once("http://").unwrap();
    let address = address.trim_end().trim_end_matches("/v1").parse().unwrap();
    Node { child, address, banner }
}

/// Every way to show a key that does not work, or to put one where none belongs.
fn refusals(node: &Node) {
    let send = |lines: &str, path: &str, body: &str| {
        let length = body.len();
        exchange(
            node.address,
            format!(
                "POST {path} HTTP/1.1\r\nhost: kijun\r\nconnection: close\r\n{lines}content-type: \
                 application/json\r\ncontent-length: {length}\r\n\r\n{body}"
            )
            .as_bytes(),
        )
    };
    let chat = json!({"model": "kijun-sim", "messages": [{"role": "user", "content": "x"}]});
    let chat = chat.to_string();
    for lines in [
        format!("authorization: Bearer {SECRET}\r\n"),
        format!("authorization: bearer  {SECRET}\r\n"),
        format!("authorization: Basic {SECRET}\r\n"),
        format!("authorization: {SECRET}\r\n"),
        format!("x-api-key: {SECRET}\r\n"),
        format!("api-key: {SECRET}\r\n"),
        format!("authorization: Bearer {API_KEY}\r\nx-api-key: {SECRET}\r\n"),
        format!(
            "authorization: Bearer {API_KEY}\r\nidempotency-key: {SECRET}{}\r\n",
            "x".repeat(300)
        ),
        format!("authorization: Bearer {API_KEY}\r\ncookie: session={SECRET}\r\n"),
        format!("authorization: Bearer {API_KEY}\r\nhost: {SECRET}\r\n"),
        format!("authorization : Bearer {SECRET}\r\n"),
        format!("authorization: Bearer {SECRET}\0\r\n"),
    ] {
        for path in ["/v1/chat/completions", "/v1/responses", "/v1/organization/projects"] {
            send(&lines, path, &chat);
        }
    }
    let admin = format!("authorization: Bearer {ADMIN_KEY}\r\n");
    let own = format!("authorization: Bearer {API_KEY}\r\n");
    for path in [
        format!("/v1/models?api_key={SECRET}"),
        format!("/v1/{SECRET}"),
        format!("/v1/files/{SECRET}"),
    ] {
        send(&own, &path, &chat);
        send(&own, &path, "");
    }
    let (_held, address) = taken_port();
    for provider in [
        json!({"kind": "openai", "base_url": format!("http://user:{SECRET}@127.0.0.1"), "api_key": "k"}),
        json!({"kind": "openai", "base_url": format!("http://127.0.0.1?key={SECRET}"), "api_key": "k"}),
        json!({"kind": "nothing", "api_key": SECRET}),
        json!({"kind": "openai", "api_key": format!("{SECRET}\n{SECRET}")}),
        json!({"kind": "openai", "api_key": [SECRET]}),
        json!({"kind": "openai", "headers": {"a b": SECRET}}),
        json!({"kind": "openai", "base_url": format!("https://{address}"), "api_key": SECRET, "headers": {"x-own": SECRET}}),
    ] {
        send(&admin, "/v1/organization/providers/broken", &provider.to_string());
        send(&admin, "/v1/organization/providers/broken/check", "");
    }
    let model = json!({"targets": [{"provider": "broken", "model": "m"}]});
    send(&admin, "/v1/organization/models/broken", &model.to_string());
    send(&own, "/v1/chat/completions", &chat.replace("kijun-sim", "broken"));
    send(&own, "/v1/chat/completions", &chat.replace("kijun-sim", SECRET));
    send(&own, "/v1/chat/completions", &format!("{{\"api_key\": \"{SECRET}\""));
}

#[test]
fn no_secret_is_in_any_log_at_any_level() {
    for format in ["text", "json"] {
        let folder = tempfile::tempdir().unwrap();
        let node = talkative(folder.path(), format);
        refusals(&node);
        assert_eq!(node.chat(API_KEY, "Hello").0, 200, "it still works");
        node.signal("-TERM");
        let mut node = node;
        assert!(node.child.wait().unwrap().success());
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
        assert!(log.contains("a request was refused"), "the log says much: {log}");
        for secret in [SECRET, API_KEY, ADMIN_KEY] {
            let found = Search::new(secret).in_bytes(format, log.as_bytes());
            let lines: Vec<_> = log.lines().filter(|line| line.contains(secret)).collect();
            assert!(found.is_empty(), "{found:?}: {lines:#?}");
        }
    }
}

#[test]
fn no_memory_of_a_node_is_dumped() {
    let folder = tempfile::tempdir().unwrap();
    let limit = |node: &Node| {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", node.child.id())).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        line.split_whitespace().skip(4).take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(limit(&Node::start(folder.path())), ["0", "0"]);
}
