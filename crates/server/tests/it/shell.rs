//! Administration from the shell, on a running node.

use std::io::Write as _;
use std::path::Path;
use std::process::{Output, Stdio};
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

/// Runs a command with this on its standard input.
fn run_with(folder: &Path, arguments: &[&str], text: &str) -> Output {
    let mut command = crate::node::kijun(folder);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
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
    let list = ["keys", "list", "--project", &project];
    assert!(!kijun(&list).contains(&id), "only those that work, unless all are asked for");
    assert!(kijun(&[&list[..], &["--all"]].concat()).contains("revoked"));
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
    kijun(&["limits", "change", limit.trim(), "1000"]);
    until("the limit is wider", || ask() == 200);
    kijun(&["limits", "change", limit.trim(), "1"]);
    until("the limit holds again", || ask() == 429);
    kijun(&["limits", "remove", limit.trim()]);
    until("the limit is gone", || ask() == 200);
    let refused = run(folder.path(), &["providers", "remove", "second"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("mine"));
    kijun(&["models", "remove", "mine"]);
    kijun(&["providers", "remove", "second"]);
    until("the model is gone", || ask() == 404);
}

#[test]
fn retention_is_set_under_a_running_node() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path());
    let kijun = |arguments: &[&str]| stdout(&run(folder.path(), arguments));
    let project = kijun(&["projects", "create", "Search"]).trim().to_owned();
    let of_project = ["--project", &project];
    let get = [&["retention", "get"], &of_project[..]].concat();
    assert_eq!(kijun(&get), "organization_default  content is kept for 30 days\n");
    let set = |words: &[&str]| kijun(&[&["retention", "set"], words].concat());
    set(&["modified-abuse-monitoring", "--days", "90"]);
    assert_eq!(kijun(&get), "organization_default  content is kept for 90 days\n");
    set(&[&["none", "--days", "7"], &of_project[..]].concat());
    set(&[&["none", "--default-days"], &of_project[..]].concat());
    assert_eq!(kijun(&get), "none  content is kept for 90 days\n");

    let key = word(&kijun(&["keys", "create", "laptop", "--project", &project]), 1);
    let converse = || node.send("POST", "/v1/conversations", &key, "{}").0;
    until("the new key works", || converse() == 200);
    let set = set(&[&["zero-data-retention"], &of_project[..]].concat());
    assert_eq!(set, "zero_data_retention  no content is kept\n");
    until("conversations are refused", || converse() == 403);
    until("the one that was there is deleted", || {
        let list = kijun(&["retention", "deletions"]);
        list.lines().any(|line| line.contains("conversation") && !line.contains("not yet"))
    });
    let refused = run(folder.path(), &["retention", "set", "none"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("retention_type"));
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

#[test]
fn check_reaches_what_was_made_live_and_makes_nothing_itself() {
    let folder = tempfile::tempdir().unwrap();
    stdout(&run(folder.path(), &["check"]));
    assert!(!folder.path().join("data").exists());
    let _node = Node::start(folder.path());
    let (held, address) = crate::node::taken_port();
    drop(held);
    let url = format!("http://{address}/v1");
    let add = ["providers", "add", "live", "--kind", "openai", "--base-url", &url];
    stdout(&run(folder.path(), &add));
    let bad = run(folder.path(), &["check"]);
    assert!(!bad.status.success());
    assert!(String::from_utf8_lossy(&bad.stdout).contains("live (openai): "));
}

#[test]
fn where_nothing_is_installed_nothing_is_administered() {
    let folder = tempfile::tempdir().unwrap();
    for command in [["projects", "list"], ["keys", "list"], ["organizations", "list"]] {
        let mut command = command.to_vec();
        if command[0] == "keys" {
            command.extend(["--project", "proj_1"]);
        }
        let refused = run(folder.path(), &command);
        assert!(!refused.status.success());
        let message = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            message.contains("no installation here") && message.contains("--data-dir"),
            "{message}"
        );
    }
    assert!(!folder.path().join("data").exists(), "nothing was made");
}

#[test]
fn a_second_organisation_is_administered_apart() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path());
    let kijun = |arguments: &[&str]| stdout(&run(folder.path(), arguments));
    let made = kijun(&["organizations", "create", "Second"]);
    let (id, admin_key) = (word(&made, 0), word(&made, 1));
    assert!(kijun(&["organizations", "list"]).contains("Second"));
    let theirs = kijun(&["projects", "create", "Theirs", "--organization", &id]);
    assert!(!kijun(&["projects", "list"]).contains(theirs.trim()));
    assert!(kijun(&["projects", "list", "--organization", &id]).contains(theirs.trim()));
    until("its admin key sees its own projects", || {
        let (status, body) = node.send("GET", "/v1/organization/projects", &admin_key, "");
        status == 200 && body.contains(theirs.trim())
    });
    let ours = node.send("GET", "/v1/organization/projects", ADMIN_KEY, "").1;
    assert!(!ours.contains(theirs.trim()));
    let unknown = run(folder.path(), &["projects", "list", "--organization", "org-none"]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("org-none"));
}

#[test]
fn a_credential_is_changed_without_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let _node = Node::start(folder.path());
    let with_stdin = |arguments: &[&str], text: &str| run_with(folder.path(), arguments, text);
    let url = "http://127.0.0.1:9/v1";
    stdout(&run(
        folder.path(),
        &["providers", "add", "hub", "--kind", "openai", "--base-url", url],
    ));
    let row = || {
        let list = stdout(&run(folder.path(), &["providers", "list"]));
        list.lines().find(|line| line.starts_with("hub")).unwrap().to_owned()
    };
    assert!(row().contains("none"), "{}", row());
    stdout(&with_stdin(&["providers", "set-key", "hub"], "sk-upstream\n"));
    assert!(row().contains("set") && row().contains(url), "{}", row());
    assert!(!with_stdin(&["providers", "set-key", "hub"], "").status.success());
    assert!(!with_stdin(&["providers", "set-key", "nobody"], "sk-x").status.success());
    let list = stdout(&run(folder.path(), &["providers", "list"]));
    let sim = list.lines().find(|line| line.starts_with("kijun-sim")).unwrap();
    assert!(!sim.contains("vendor"), "{sim}");
}

#[test]
fn a_whole_provider_and_model_are_put_and_add_wipes_neither() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path());
    let put = |kind: &str, json: &str| run_with(folder.path(), &[kind, "put", "--json", "-"], json);
    let shown = |path: &str| node.send("GET", &format!("/v1/organization{path}"), ADMIN_KEY, "").1;
    stdout(&put(
        "providers",
        r#"{"name": "hub", "kind": "openai", "base_url": "http://127.0.0.1:9/v1",
            "headers": {"x-team": "search"}, "timeouts": {"idle_ms": 5000}}"#,
    ));
    let file = folder.path().join("model.json");
    let model = r#"{"name": "mine",
        "targets": [{"provider": "hub", "model": "m", "operations": ["embeddings"]}],
        "fallbacks": [{"model": "kijun-sim", "on": ["rate_limited"]}]}"#;
    std::fs::write(&file, model).unwrap();
    stdout(&run(folder.path(), &["models", "put", "--json", file.to_str().unwrap()]));
    let whole = || {
        let (hub, mine) = (shown("/providers/hub"), shown("/models/mine"));
        hub.contains("x-team")
            && hub.contains("5000")
            && mine.contains("embeddings")
            && mine.contains("rate_limited")
    };
    assert!(whole(), "{} {}", shown("/providers/hub"), shown("/models/mine"));

    for again in [
        &["providers", "add", "hub", "--kind", "sim"][..],
        &["models", "add", "mine", "--target", "hub/m"][..],
    ] {
        let refused = run(folder.path(), again);
        assert!(!refused.status.success());
        let message = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(message.contains("exists already") && message.contains("put"), "{message}");
    }
    let wrong = put("models", r#"{"name": "mine", "targets": [{"provider": "hub"}]}"#);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("`targets[0].model` is missing"));
    assert!(whole(), "what was refused changed nothing");

    stdout(&put("models", r#"{"name": "mine", "targets": [{"provider": "hub", "model": "n"}]}"#));
    assert!(!shown("/models/mine").contains("rate_limited"), "{}", shown("/models/mine"));
}

#[test]
fn prices_are_added_and_listed() {
    let folder = tempfile::tempdir().unwrap();
    let _node = Node::start(folder.path());
    let add = |from: &str| {
        let arguments = [
            "prices",
            "add",
            "--provider",
            "lab",
            "--model",
            "m-*",
            "--from",
            from,
            "--input",
            "1.25",
            "--output",
            "10",
            "--source",
            "contract 7",
        ];
        run(folder.path(), &arguments)
    };
    let id = stdout(&add("2026-03-01"));
    let list = stdout(&run(folder.path(), &["prices", "list"]));
    assert!(list.contains(id.trim()) && list.contains("2026-03-01"), "{list}");
    let wrong = add("soon");
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("effective_from"));
}
