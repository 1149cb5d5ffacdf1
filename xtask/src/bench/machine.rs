//! The machine that the figures are of.

use std::fs;
use std::process::Command;

use super::process;

/// CPU, cores, kernel, nginx's version and whether processes are pinned, in one line.
pub(super) fn describe() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = value(&cpus, "model name").unwrap_or("unknown CPU");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let pinned = if process::pins() {
        "gateway on CPU 0, upstream and load generator on CPU 1"
    } else {
        "nothing pinned to a CPU"
    };
    format!(
        "{model}, {cores} cores, Linux {}, {}; load average {load} at the start; {pinned}",
        kernel.trim(),
        nginx()
    )
}

fn nginx() -> String {
    let said = Command::new("nginx").arg("-v").output().map(|output| output.stderr);
    let said = String::from_utf8_lossy(&said.unwrap_or_default()).into_owned();
    said.trim().rsplit_once(": ").map_or("no nginx", |(_, version)| version).to_owned()
}

fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(key))?;
    line.split_once(':').map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_found() {
        assert_eq!(value("processor\t: 0\nmodel name\t: A B\n", "model name"), Some("A B"));
        assert_eq!(value("processor\t: 0\n", "model name"), None);
    }
}
