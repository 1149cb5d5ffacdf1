//! The machine and the programs that the figures are of.

use std::process::Command;

use crate::harness::{machine, process};

/// The machine, nginx's version and whether processes are pinned, in one line.
pub(super) fn describe() -> String {
    let pinned = if process::pins() {
        "gateway on CPU 0, upstream and load generator on CPU 1"
    } else {
        "nothing pinned to a CPU"
    };
    let (machine, load) = (machine::describe(), machine::load_average());
    format!("{machine}, {}; load average {load} at the start; {pinned}", nginx())
}

fn nginx() -> String {
    let said = Command::new("nginx").arg("-v").output().map(|output| output.stderr);
    let said = String::from_utf8_lossy(&said.unwrap_or_default()).into_owned();
    said.trim().rsplit_once(": ").map_or("no nginx", |(_, version)| version).to_owned()
}
