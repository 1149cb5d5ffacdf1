//! Starting: the first time, the second time, and every way in which it must not.

use std::process::Output;

use crate::node::{API_KEY, Node, kijun, run, taken_port};

fn failure(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_first_start_makes_keys_that_work_and_the_second_finds_everything_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let first = Node::spawn(kijun(folder.path()));
    let key = first.banner.split_whitespace().find(|word| word.starts_with("sk-kj-")).unwrap();
    assert!(first.banner.contains("Models     kijun-sim"), "{}", first.banner);
    assert_eq!(first.chat(key, "Hello").0, 200);
    let key = key.to_owned();
    drop(first);

    let second = Node::spawn(kijun(folder.path()));
    assert!(!second.banner.contains("sk-kj-"), "keys are shown once: {}", second.banner);
    assert_eq!(second.chat(&key, "Hello").0, 200);
}

#[test]
fn what_nobody_reads_stops_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = kijun(folder.path()).arg("config").stdout(writer).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_is_kept_is_closed_to_others() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    drop(Node::start(folder.path()));
    let data = folder.path().join("data");
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("master.key")), 0o600);
    assert_eq!(mode(&data.join("kijun.db")), 0o600);
}

#[test]
fn no_key_is_in_any_file() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path());
    node.chat(API_KEY, "Hello");
    drop(node);
    let found = std::process::Command::new("grep")
        .args(["-r", "--text", "-l", API_KEY])
        .arg(folder.path().join("data"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
}

#[test]
fn a_port_in_use_is_named_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let (_held, address) = taken_port();
    let message = failure(&run(folder.path(), &["serve", "--listen", &address.to_string()]));
    assert!(message.contains(&address.to_string()) && message.contains("--listen"), "{message}");
}

#[test]
fn a_second_node_on_one_data_directory_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _node = Node::start(folder.path());
    let message = failure(&run(folder.path(), &["serve", "--listen", "127.0.0.1:0"]));
    assert!(message.contains("another kijun is running"), "{message}");
}

#[test]
fn a_data_directory_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("data"), "a file").unwrap();
    let message = failure(&run(folder.path(), &["serve", "--listen", "127.0.0.1:0"]));
    assert!(message.contains("--data-dir"), "{message}");
}

#[test]
fn another_master_key_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    drop(Node::start(folder.path()));
    std::fs::remove_file(folder.path().join("data/master.key")).unwrap();
    let message = failure(&run(folder.path(), &["serve", "--listen", "127.0.0.1:0"]));
    assert!(message.contains("another master key"), "{message}");
}

#[test]
fn an_unknown_key_in_the_file_is_refused_with_the_nearest_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kijun.toml");
    std::fs::write(&file, "[server]\nlissten = \"127.0.0.1:0\"\n").unwrap();
    let message = failure(&run(folder.path(), &["serve", "--config", file.to_str().unwrap()]));
    assert!(message.contains("did you mean `listen`?"), "{message}");
    assert!(!folder.path().join("data").exists(), "nothing was made");
}

#[test]
fn a_credential_that_is_not_set_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kijun.toml");
    let provider =
        "[[providers]]\nname = \"a\"\nkind = \"openai\"\napi_key = { env = \"NOT_SET\" }\n";
    std::fs::write(&file, provider).unwrap();
    let message = failure(&run(folder.path(), &["check", "--config", file.to_str().unwrap()]));
    assert!(message.contains("NOT_SET") && message.contains("provider `a`"), "{message}");
}
