//! Administration from the shell, on a running node.

use std::time::{Duration, Instant};

use crate::node::{ADMIN_KEY, Node, run, stdout};

/// The promise of the documentation: a change is seen within a second.
const PROMISE: Duration = Duration::from_secs(1);

fn until(what: &str, mut done: impl FnMut() -> bool) {
    // Ten times the promise, so that a busy machine fails no test.
    let end = Instant::now() + PROMISE * 10;
    while !done() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn word(text: &str, at: usize) -> String {
    text.split_whitespace().nth(at).unwrap().to_owned()
}

#[test]
fn keys_and_projects_are_made_and_revoked_under_a_running_node() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path());
    let kijun = |arguments: &[&str]| stdout(&run(folder.path(), arguments));

    let project = kijun(&["projects", "create", "Search"]).trim().to_owned();
    assert!(kijun(&["projects", "list"]).contains("Search"));
    let made = kijun(&["keys", "create", "laptop", "--project", &project]);
    let (id, secret) = (word(&made, 0), word(&made, 1));
    until("the new key works", || node.chat(&secret, "Hello").0 == 200);

    kijun(&["projects", "models", &project, "--allow", "gpt-4o"]);
    until("the model is refused", || node.chat(&secret, "Hello").0 == 403);
    kijun(&["projects", "models", &project, "--all"]);
    until("the model is allowed", || node.chat(&secret, "Hello").0 == 200);

    let rotated = word(&kijun(&["keys", "rotate", &id, "--overlap", "1h"]), 1);
    until("the new secret works", || node.chat(&rotated, "Hello").0 == 200);
    assert_eq!(node.chat(&secret, "Hello").0, 200, "the old secret overlaps");

    kijun(&["keys", "revoke", &id]);
    until("both secrets stop", || {
        node.chat(&secret, "Hello").0 == 401 && node.chat(&rotated, "Hello").0 == 401
    });
    assert!(kijun(&["keys", "list", "--project", &project]).contains("revoked"));
}

#[test]
fn providers_models_and_limits_are_made_under_a_running_node() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path());
    let kijun = |arguments: &[&str]| stdout(&run(folder.path(), arguments));
    kijun(&["providers", "add", "second", "--kind", "sim"]);
    kijun(&["models", "add", "mine", "--target", "second/kijun-sim=2"]);
    let ask = || {
        let body = r#"{"model":"mine","messages":[{"role":"user","content":"Hello"}]}"#;
        node.send("POST", "/v1/chat/completions", crate::node::API_KEY, body).0
    };
    until("the model answers", || ask() == 200);
    let limit = kijun(&["limits", "add", "model", "requests-per-day", "1", "--subject", "mine"]);
    until("the limit holds", || ask() == 429);
    kijun(&["limits", "remove", limit.trim()]);
    until("the limit is gone", || ask() == 200);
    let refused = run(folder.path(), &["providers", "remove", "second"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("mine"));
    kijun(&["models", "remove", "mine"]);
    kijun(&["providers", "remove", "second"]);
    until("the model is gone", || ask() == 404);
}

#[test]
fn the_last_admin_key_stays() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path());
    let list = stdout(&run(folder.path(), &["admin-keys", "list"]));
    let id = list.split_whitespace().find(|word| word.starts_with("key_admin_")).unwrap();
    let refused = run(folder.path(), &["admin-keys", "revoke", id]);
    assert!(!refused.status.success());
    assert_eq!(node.send("GET", "/v1/organization/projects", ADMIN_KEY, "").0, 200);
}

#[test]
fn check_reaches_every_provider() {
    let folder = tempfile::tempdir().unwrap();
    let good = stdout(&run(folder.path(), &["check"]));
    assert!(good.contains("kijun-sim (sim): answers"), "{good}");
    let (held, address) = crate::node::taken_port();
    drop(held);
    let file = folder.path().join("kijun.toml");
    let text = format!(
        "[[providers]]\nname = \"gone\"\nkind = \"openai\"\nbase_url = \"http://{address}/v1\"\n"
    );
    std::fs::write(&file, text).unwrap();
    let bad = run(folder.path(), &["check", "--config", file.to_str().unwrap()]);
    assert!(!bad.status.success());
    assert!(String::from_utf8_lossy(&bad.stdout).contains("gone (openai): "));
}
