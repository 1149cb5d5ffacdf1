//! `kijun audit`: what was altered is found, beside a node and without one.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::node::{ADMIN_KEY, Node, run, stdout};

/// An installation in which a node ran, and a project got two names.
fn installation(folder: &Path) {
    let mut node = Node::start(folder);
    let (status, body) =
        node.send("POST", "/v1/organization/projects", ADMIN_KEY, r#"{"name":"Honest name"}"#);
    assert_eq!(status, 200, "{body}");
    assert!(stdout(&verify(folder)).contains("as it was written"), "beside a running node");
    stop(&mut node);
    stdout(&run(folder, &["projects", "create", "Second name"]));
}

/// Asks a node to stop, and waits until it did.
fn stop(node: &mut Node) {
    let id = node.child.id().to_string();
    assert!(std::process::Command::new("kill").arg(&id).status().unwrap().success());
    node.child.wait().unwrap();
}

fn verify(folder: &Path) -> Output {
    run(folder, &["audit", "verify"])
}

/// What it told, if it failed as it must.
fn altered(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("the audit log was altered"));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Writes other bytes over these, wherever they are in the database.
fn overwrite(folder: &Path, from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len());
    let path = folder.join("data/kijun.db");
    let mut bytes = fs::read(&path).unwrap();
    let places: Vec<_> =
        (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    fs::write(&path, bytes).unwrap();
}

#[test]
fn what_nobody_altered_is_sound_and_says_who_did_what() {
    let folder = tempfile::tempdir().unwrap();
    installation(folder.path());
    let told = stdout(&verify(folder.path()));
    assert!(told.contains("org-") && !told.contains("note"), "{told}");
    let list = stdout(&run(folder.path(), &["audit", "list", "--event", "project.created"]));
    let lines: Vec<_> = list.lines().collect();
    assert_eq!(lines.len(), 4, "a heading, ours, and the first one: {list}");
    assert!(lines[1].contains("shell unknown") && lines[1].contains("Second name"), "{list}");
    assert!(lines[2].contains("admin_key key_admin_") && lines[2].contains("Honest"), "{list}");
    assert!(lines[3].contains("system bootstrap"), "{list}");
}

#[test]
fn an_edited_entry_is_found() {
    let folder = tempfile::tempdir().unwrap();
    installation(folder.path());
    overwrite(folder.path(), b"\"Honest name\"", b"\"Forged name\"");
    let told = altered(&verify(folder.path()));
    assert!(told.contains("was edited") && told.contains("audit_log-"), "{told}");
}

#[test]
fn a_log_that_was_set_back_is_found() {
    let folder = tempfile::tempdir().unwrap();
    installation(folder.path());
    let (database, copy) = (folder.path().join("data/kijun.db"), folder.path().join("copy"));
    fs::copy(&database, &copy).unwrap();
    stdout(&run(folder.path(), &["projects", "create", "Third name"]));
    for journal in ["data/kijun.db-wal", "data/kijun.db-shm"] {
        let _ = fs::remove_file(folder.path().join(journal));
    }
    fs::copy(&copy, &database).unwrap();
    let told = altered(&verify(folder.path()));
    assert!(told.contains("the end was cut off"), "{told}");

    // What another key signed is no witness.
    let other = ["audit", "verify", "--public-key", &"00".repeat(32)];
    let told = altered(&run(folder.path(), &other));
    assert!(told.contains("signed by nobody who is trusted"), "{told}");
}

#[test]
fn an_export_is_verified_alone() {
    let folder = tempfile::tempdir().unwrap();
    installation(folder.path());
    let export = stdout(&run(folder.path(), &["audit", "export"]));
    let key = stdout(&run(folder.path(), &["audit", "key"]));
    let lines: Vec<&str> = export.lines().collect();
    let elsewhere = tempfile::tempdir().unwrap();
    let check = |lines: &[&str]| {
        let path = elsewhere.path().join("audit.jsonl");
        fs::write(&path, lines.join("\n")).unwrap();
        let path = path.to_str().unwrap();
        run(elsewhere.path(), &["audit", "verify", "--file", path, "--public-key", key.trim()])
    };
    let told = stdout(&check(&lines));
    assert!(told.contains("as it was written"), "{told}");
    assert!(!elsewhere.path().join("data").exists(), "nothing is made for it");

    let at = lines.iter().position(|line| line.contains("Honest name")).unwrap();
    let edited = lines[at].replace("Honest name", "Forged name");
    let mut changed = lines.clone();
    changed[at] = &edited;
    assert!(altered(&check(&changed)).contains("was edited"));
    let mut changed = lines.clone();
    changed.remove(at);
    assert!(altered(&check(&changed)).contains("is missing"));
    let mut changed = lines.clone();
    changed.swap(at, at - 1);
    assert!(altered(&check(&changed)).contains("stands after"));
    let entries = lines.iter().filter(|line| line.starts_with("{\"entry\"")).count();
    assert!(entries > 5, "{export}");
    assert!(altered(&check(&lines[..lines.len() - 2])).contains("the end was cut off"));
}

#[test]
fn an_export_beside_a_busy_node_is_of_one_moment() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path());
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0.. {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let body = format!(r#"{{"name":"Project {number}"}}"#);
                node.send("POST", "/v1/organization/projects", ADMIN_KEY, &body);
            }
        });
        let verified: Vec<Output> = (0..10)
            .map(|_| {
                let export = stdout(&run(folder.path(), &["audit", "export"]));
                let path = folder.path().join("audit.jsonl");
                fs::write(&path, export).unwrap();
                run(folder.path(), &["audit", "verify", "--file", path.to_str().unwrap()])
            })
            .collect();
        stop.store(true, Ordering::SeqCst);
        verified.iter().for_each(|output| assert!(stdout(output).contains("as it was written")));
    });
}

#[test]
fn a_witness_that_is_not_there_is_no_witness() {
    let failure = |output: &Output| {
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let folder = tempfile::tempdir().unwrap();
    installation(folder.path());
    let named = |path: &Path| {
        run(folder.path(), &["audit", "verify", "--checkpoints", path.to_str().unwrap()])
    };
    let message = failure(&named(Path::new("/nowhere/at/all")));
    assert!(message.contains("there is no folder of checkpoints /nowhere/at/all"), "{message}");
    let empty = tempfile::tempdir().unwrap();
    assert!(failure(&named(empty.path())).contains("holds no checkpoint"));
    stdout(&named(&folder.path().join("data/audit")));

    let file = empty.path().join("audit.jsonl");
    fs::write(&file, "").unwrap();
    let output = run(folder.path(), &["audit", "verify", "--file", file.to_str().unwrap()]);
    assert!(failure(&output).contains("is empty"), "{output:?}");

    fs::remove_dir_all(folder.path().join("data/audit")).unwrap();
    assert!(failure(&verify(folder.path())).contains("there is no folder of checkpoints"));
    let url = format!("sqlite://{}", folder.path().join("data/kijun.db").display());
    let told = stdout(&run(folder.path(), &["audit", "verify", "--database", &url]));
    assert!(told.contains("note: where there is no checkpoint"), "{told}");
}

/// Every event that the store writes is in the reference.
#[test]
fn every_event_is_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let docs = fs::read_to_string(root.join("docs/audit.md")).unwrap();
    let mut events = BTreeSet::new();
    for file in fs::read_dir(root.join("crates/store/src")).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let text = fs::read_to_string(path).unwrap();
            let shipped = text.split("#[cfg(test)]").next().unwrap();
            events.extend(shipped.split('"').filter(|word| is_event(word)).map(str::to_owned));
        }
    }
    assert!(events.len() > 25, "{events:?}");
    for event in events {
        let (family, _) = event.rsplit_once('.').unwrap();
        let named = [format!("`{event}`"), format!("`{family}.*`")];
        assert!(named.iter().any(|name| docs.contains(name)), "{event} is not in docs/audit.md");
    }
}

/// Whether a text of the store's is the name of an event, as `api_key.created` is.
fn is_event(word: &str) -> bool {
    const DONE: [&str; 8] =
        ["created", "updated", "deleted", "archived", "rotated", "retried", "rebuilt", "revoked"];
    let Some((thing, done)) = word.rsplit_once('.') else { return false };
    let is_name = |c: char| c.is_ascii_lowercase() || "._".contains(c);
    thing.chars().all(is_name)
        && (DONE.contains(&done) || thing.starts_with("kijun.") && done.chars().all(is_name))
}
