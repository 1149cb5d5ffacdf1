//! A data directory that was copied: two nodes, two names, on one database.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::node::{Node, kijun};

fn on(database: &Path, folder: &Path) -> Command {
    let mut command = kijun(folder);
    command.env("KIJUN_STORE_URL", format!("sqlite://{}", database.display()));
    command
}

fn name(folder: &Path) -> String {
    fs::read_to_string(folder.join("data/node.id")).unwrap()
}

#[test]
fn a_copied_data_directory_takes_nothing_from_the_node_it_is_of() {
    let [shared, one, two] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let database = shared.path().join("kijun.db");
    let first = Node::spawn(on(&database, one.path()));
    let original = name(one.path());
    let copied = Command::new("cp")
        .arg("-r")
        .args([one.path().join("data"), two.path().join("data")])
        .status();
    assert!(copied.unwrap().success());
    let key = first.banner.split_whitespace().find(|word| word.starts_with("sk-kj-")).unwrap();
    assert_eq!(first.chat(key, "Hello").0, 200);

    let second = Node::spawn(on(&database, two.path()));
    let renamed = name(two.path());
    assert_ne!(renamed, original);
    assert_eq!(second.chat(key, "Hello").0, 200);
    drop(second);
    let second = Node::spawn(on(&database, two.path()));
    assert_eq!(name(two.path()), renamed, "a node keeps the name that it was given");
    drop((first, second));
    drop(Node::spawn(on(&database, one.path())));
    assert_eq!(name(one.path()), original, "a killed node starts again by its own");
}
