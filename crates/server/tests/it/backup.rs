//! Backups made beside a running node and restored as another machine would, and a new master key
//! under a running node.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use crate::node::{ADMIN_KEY, API_KEY, Node, kijun, run, stdout};

const PASSPHRASE: &str = "correct horse battery staple";

/// Runs a command with the passphrase in its environment.
fn with_passphrase(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = kijun(folder);
    command.env("KIJUN_BACKUP_PASSPHRASE", PASSPHRASE).args(arguments).output().unwrap()
}

fn message(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Keeps a response, and returns its id.
fn keep(node: &Node, text: &str) -> String {
    let body = serde_json::json!({"model": "kijun-sim", "input": text}).to_string();
    let (status, body) = node.send("POST", "/v1/responses", API_KEY, &body);
    assert_eq!(status, 200, "{body}");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    body["id"].as_str().unwrap().to_owned()
}

fn kept(node: &Node, id: &str) -> u16 {
    node.send("GET", &format!("/v1/responses/{id}"), API_KEY, "").0
}

#[test]
fn a_backup_of_a_running_node_starts_elsewhere() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let node = Node::start(here.path());
    let id = keep(&node, "Hello");
    let calls = node.recorded();
    let file = here.path().join("kijun.backup");
    let file = file.to_str().unwrap();
    let made = stdout(&with_passphrase(here.path(), &["backup", "create", "--to", file]));
    assert!(made.contains("rows of"), "{made}");
    let again = with_passphrase(here.path(), &["backup", "create", "--to", file]);
    assert!(message(&again).contains("exists"), "no backup is written over");
    let whole = stdout(&with_passphrase(there.path(), &["backup", "verify", file]));
    assert!(whole.contains("sealed values") && whole.ends_with("It is whole.\n"), "{whole}");
    assert!(!there.path().join("data").exists(), "looking makes nothing");

    let restored = stdout(&with_passphrase(there.path(), &["restore", file]));
    assert!(restored.contains("kijun --data-dir"), "{restored}");
    let elsewhere = Node::spawn(kijun(there.path()));
    assert_eq!(kept(&elsewhere, &id), 200);
    assert_eq!(elsewhere.chat(API_KEY, "Hello").0, 200, "the keys are the same");
    assert!(elsewhere.recorded() >= calls);
    drop(elsewhere);
    let onto = with_passphrase(there.path(), &["restore", file]);
    assert!(message(&onto).contains("is not empty"), "what is there stays");
    let _running = Node::spawn(kijun(there.path()));
    let onto = with_passphrase(there.path(), &["restore", file]);
    assert!(message(&onto).contains("another kijun is running"));
}

#[test]
fn a_backup_goes_through_a_pipe_with_a_recovery_key() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let _node = Node::start(here.path());
    let key = here.path().join("recovery.key");
    std::fs::write(&key, stdout(&run(here.path(), &["backup", "key"]))).unwrap();
    let key = key.to_str().unwrap();
    let mut create = kijun(here.path());
    create.args(["backup", "create", "--to", "-", "--passphrase-file", key]);
    let mut create = create.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut restore = kijun(there.path());
    restore.args(["restore", "-", "--passphrase-file", key]);
    restore.stdin(Stdio::from(create.stdout.take().unwrap()));
    stdout(&restore.output().unwrap());
    assert!(create.wait().unwrap().success());
    assert!(there.path().join("data/kijun.db").exists());
}

#[test]
fn a_backup_without_a_secret_or_an_installation_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let create = ["backup", "create", "--to", "-"];
    assert!(message(&run(folder.path(), &create)).contains("KIJUN_BACKUP_PASSPHRASE"));
    assert!(message(&with_passphrase(folder.path(), &create)).contains("no installation here"));
    assert!(!folder.path().join("data").exists());
    let nowhere = ["backup", "create", "--to", "-", "--passphrase-file", "/nonexistent"];
    let told = message(&run(folder.path(), &nowhere));
    assert!(told.contains("--passphrase-file: the file /nonexistent"), "{told}");
    let mut weak = kijun(folder.path());
    let weak = weak.env("KIJUN_BACKUP_PASSPHRASE", "hunter2").args(create).output().unwrap();
    assert!(message(&weak).contains("too short") && !message(&weak).contains("hunter2"));
    let file = folder.path().join("other");
    std::fs::write(&file, "something else").unwrap();
    let other = with_passphrase(folder.path(), &["backup", "verify", file.to_str().unwrap()]);
    assert!(message(&other).contains("no backup of Kijun's"));
}

#[test]
fn the_master_key_is_replaced_under_a_running_node() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path());
    let id = keep(&node, "Hello");
    let kijun = |arguments: &[&str]| stdout(&run(folder.path(), arguments));
    let master_key = |verb: &str| kijun(&["master-key", verb]);
    let keys = || std::fs::read_to_string(folder.path().join("data/master.key")).unwrap();
    let first = keys();
    assert!(master_key("status").contains("newest"));
    let early = run(folder.path(), &["master-key", "retire"]);
    assert!(early.status.success(), "there is nothing to remove");
    assert_eq!(keys(), first);

    let rotated = master_key("rotate");
    let new = rotated.split_whitespace().next().unwrap().to_owned();
    assert_eq!(keys().lines().count(), 2);
    assert!(message(&run(folder.path(), &["master-key", "retire"])).contains("rewrap"));
    let wrapped = master_key("rewrap");
    assert!(wrapped.contains("nothing is sealed with an older key"), "{wrapped}");
    let status = master_key("status");
    let node_row = status.lines().find(|line| line.starts_with("node_")).unwrap();
    assert!(node_row.trim_end().ends_with(&new), "the running node seals with it: {status}");
    assert_eq!(kept(&node, &id), 200);
    let changed = node.send("GET", "/v1/organization/audit_logs", ADMIN_KEY, "").1;
    assert!(changed.contains("kijun.master_key.rotated"), "{changed}");

    master_key("retire");
    assert!(keys().lines().count() == 1 && !first.contains(keys().trim()));
    let later = keep(&node, "Hello again");
    drop(node);
    let node = Node::spawn(crate::node::kijun(folder.path()));
    assert_eq!((kept(&node, &id), kept(&node, &later)), (200, 200));
    node.signal("-TERM");
    drop(node);
    std::fs::write(folder.path().join("data/master.key"), first).unwrap();
    let refused = run(folder.path(), &["projects", "list"]);
    assert!(message(&refused).contains("master key"), "the old key alone opens nothing");
    let file = folder.path().join("kijun.backup");
    let create = ["backup", "create", "--to", file.to_str().unwrap()];
    let told = message(&with_passphrase(folder.path(), &create));
    assert!(told.contains("master key") && !file.exists(), "{told}");
}

#[test]
fn a_node_whose_keys_come_from_the_environment_follows_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    let key = |byte: u8| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode([byte; 32])
    };
    std::fs::write(&file, key(1)).unwrap();
    let command = || {
        let mut command = kijun(folder.path());
        command.env("KIJUN_MASTER_KEY_FILE", &file);
        command.env("KIJUN_BOOTSTRAP_API_KEY", API_KEY).env("KIJUN_BOOTSTRAP_ADMIN_KEY", ADMIN_KEY);
        command
    };
    let node = Node::spawn(command());
    let id = keep(&node, "Hello");
    assert!(!folder.path().join("data/master.key").exists());
    let rotate = command().args(["master-key", "rotate"]).output().unwrap();
    assert!(message(&rotate).contains("KIJUN_MASTER_KEY_PREVIOUS"));
    std::fs::write(&file, format!("{}\n{}\n", key(2), key(1))).unwrap();
    stdout(&command().args(["master-key", "rewrap"]).output().unwrap());
    stdout(&command().args(["master-key", "retire"]).output().unwrap());
    std::fs::write(&file, key(2)).unwrap();
    until("the node has the new key alone", || {
        let status = stdout(&command().args(["master-key", "status"]).output().unwrap());
        let row = status.lines().find(|line| line.starts_with("node_")).unwrap().to_owned();
        row.split_whitespace().count() == 3
    });
    assert_eq!(kept(&node, &id), 200);
}
