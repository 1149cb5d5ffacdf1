//! The node that is looked at: its configuration, its process, its folder.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::Options;
use super::client::{ADMIN_KEY, API_KEY};
use super::upstream::{BROKEN, MODELS, PLAIN};
use crate::Error;
use crate::harness::free_port;
use crate::harness::process::{self, Place, Process};

/// The model whose target is broken, and that has another to fall back to.
pub(super) const FALLING_BACK: &str = "soak-falling-back";

const START_PATIENCE: Duration = Duration::from_secs(30);

/// A running node. Dropping it ends it.
pub(super) struct Node {
    pub(super) port: u16,
    // Before the folder, so that the process ends before its folder goes.
    pub(super) process: Process,
    folder: TempDir,
}

/// What is on the disk, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Disk {
    pub(super) data: u64,
    pub(super) journal: u64,
    /// The database with what SQLite has not yet moved into it.
    pub(super) database: u64,
}

impl Node {
    /// Starts a node before the upstream, and waits until it answers.
    pub(super) fn start(options: &Options, upstream: u16) -> Result<Self, Error> {
        let folder = tempfile::tempdir().map_err(Error::io("create a temporary folder"))?;
        let port = free_port()?;
        let file = folder.path().join("kijun.toml");
        fs::write(&file, configuration(options, upstream))
            .map_err(Error::io("write kijun.toml"))?;
        let mut command = process::command(&options.kijun, Place::Measured);
        command
            .arg("serve")
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .arg("--config")
            .arg(file)
            .env("KIJUN_BOOTSTRAP_API_KEY", API_KEY)
            .env("KIJUN_BOOTSTRAP_ADMIN_KEY", ADMIN_KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let process = Process::start("kijun", &mut command, folder.path())?;
        let mut node = Self { port, process, folder };
        node.wait()?;
        Ok(node)
    }

    /// What its folder holds now.
    pub(super) fn disk(&self) -> Disk {
        let data = self.folder.path().join("data");
        let database = ["kijun.db", "kijun.db-wal", "kijun.db-shm"];
        let size = |name| fs::metadata(data.join(name)).map_or(0, |file| file.len());
        Disk {
            data: bytes_below(&data),
            journal: bytes_below(&data.join("journal")),
            database: database.into_iter().map(size).sum(),
        }
    }

    /// Keeps what it said, for whoever wants to know why an answer was wrong.
    pub(super) fn keep_log(&self, folder: &Path) -> Result<PathBuf, Error> {
        let kept = folder.join("kijun.log");
        fs::copy(self.folder.path().join("kijun.log"), &kept).map_err(Error::io("keep the log"))?;
        Ok(kept)
    }

    fn wait(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if !self.process.is_running() {
                return Err(self.process.error("ended at its start"));
            }
            if started.elapsed() > START_PATIENCE {
                return Err(self.process.error("did not listen in 30 s"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// As it ships, with limits that count and never refuse, and a model for each of the upstream's.
fn configuration(options: &Options, upstream: u16) -> String {
    let mut text = String::new();
    if let Some(url) = &options.postgres {
        let _ = writeln!(text, "[store]\nurl = {url:?}\n");
    }
    if let Some(url) = &options.redis {
        let _ = writeln!(text, "[counters]\nplace = {url:?}\n");
    }
    let _ = writeln!(
        text,
        "[discovery]\nenvironment = false\nlocal_servers = false\n\n\
         [[providers]]\nname = \"upstream\"\nkind = \"openai\"\n\
         base_url = \"http://127.0.0.1:{upstream}/v1\"\napi_key = \"sk-upstream\"\n"
    );
    for (scope, measure) in [
        ("key", "requests_per_minute"),
        ("key", "tokens_per_minute"),
        ("user", "requests_per_minute"),
        ("project", "concurrent_calls"),
    ] {
        let _ = writeln!(
            text,
            "[[limits]]\nscope = \"{scope}\"\nmeasure = \"{measure}\"\namount = 1000000000\n"
        );
    }
    let model = |name: &str, target: &str, more: &str| {
        format!(
            "[[models]]\nname = \"{name}\"\n\
             targets = [{{ provider = \"upstream\", model = \"{target}\" }}]\n{more}\n"
        )
    };
    for name in MODELS {
        text.push_str(&model(name, name, ""));
    }
    // Overloaded is also what a target is that rests behind its breaker.
    let on = "[\"server_error\", \"overloaded\"]";
    let fallbacks = format!("fallbacks = [{{ model = \"{PLAIN}\", on = {on} }}]\n");
    text.push_str(&model(FALLING_BACK, BROKEN, &fallbacks));
    text
}

fn bytes_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(it) if it.is_dir() => bytes_below(&entry.path()),
            Ok(it) => it.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn the_configuration_is_valid_toml() {
        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            options: Options,
        }
        let line = Line::parse_from(["soak", "--kijun", "k", "--postgres", "postgres://h/\"d\""]);
        let config: toml::Table = configuration(&line.options, 7).parse().unwrap();
        assert_eq!(config["store"]["url"].as_str(), Some("postgres://h/\"d\""));
        assert_eq!(config["models"].as_array().unwrap().len(), MODELS.len() + 1);
        assert!(config.get("counters").is_none());
    }

    #[test]
    fn a_folder_is_counted_with_what_is_below() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/b"), [0; 100]).unwrap();
        fs::write(folder.path().join("c"), [0; 11]).unwrap();
        assert_eq!(bytes_below(folder.path()), 111);
    }
}
