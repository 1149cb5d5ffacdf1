//! What is measured: the mock itself, nginx before it, Kijun before it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::{Binaries, Options};
use crate::Error;
use crate::harness::free_port;
use crate::harness::process::{self, Place, Process};

/// Which way a call goes to the mock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Kind {
    /// Straight.
    Direct,
    /// Through nginx as a plain reverse proxy with one worker.
    Nginx,
    /// Through Kijun on SQLite.
    Sqlite,
    /// Through Kijun on PostgreSQL.
    Postgres,
}

/// All of them, in the table's order.
pub(super) const KINDS: [Kind; 4] = [Kind::Direct, Kind::Nginx, Kind::Sqlite, Kind::Postgres];

/// The API key that calls carry.
pub(super) const KEY: &str = "sk-bench-0123456789abcdefghijklmnopqrstuvwxyz";

impl Kind {
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Nginx => "nginx",
            Self::Sqlite => "Kijun, SQLite",
            Self::Postgres => "Kijun, PostgreSQL",
        }
    }

    pub(super) fn is_kijun(self) -> bool {
        matches!(self, Self::Sqlite | Self::Postgres)
    }

    /// Whether it is asked for and can be measured here.
    pub(super) fn is_here(self, options: &Options) -> bool {
        let here = match self {
            Self::Direct | Self::Sqlite => true,
            Self::Nginx => process::has("nginx"),
            Self::Postgres => options.postgres.is_some(),
        };
        here && options.wants(self)
    }
}

/// How a target is started, as often as wanted: its folder, its port, its command.
pub(super) struct Recipe {
    pub(super) kind: Kind,
    pub(super) port: u16,
    folder: TempDir,
    command: Option<Command>,
}

impl Recipe {
    pub(super) fn new(
        kind: Kind,
        upstream: u16,
        binaries: &Binaries,
        options: &Options,
    ) -> Result<Self, Error> {
        let folder = tempfile::tempdir().map_err(Error::io("create a temporary folder"))?;
        let port = if kind == Kind::Direct { upstream } else { free_port()? };
        let command = match kind {
            Kind::Direct => None,
            Kind::Nginx => Some(nginx(folder.path(), port, upstream)?),
            Kind::Sqlite => Some(kijun(binaries, folder.path(), port, upstream, None)?),
            Kind::Postgres => {
                let url = options.postgres.as_deref();
                Some(kijun(binaries, folder.path(), port, upstream, url)?)
            }
        };
        Ok(Self { kind, port, folder, command })
    }

    /// Starts the target; `None` for the mock, which runs already.
    pub(super) fn start(&mut self) -> Result<Option<Process>, Error> {
        let name = self.kind.title();
        let Some(command) = &mut self.command else { return Ok(None) };
        Process::start(name, command, self.folder.path()).map(Some)
    }
}

/// Starts the mock and returns it with its port.
pub(super) fn mock(binaries: &Binaries, folder: &Path) -> Result<(Process, u16), Error> {
    let port = free_port()?;
    let mut command = process::command(&binaries.xtask, Place::Harness);
    command.args(["bench-mock", "--port", &port.to_string()]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    Ok((Process::start("mock", &mut command, folder)?, port))
}

/// nginx as one would write it for this: kept connections on both sides, no buffering of what the
/// upstream marks as a stream, nothing else.
fn nginx(folder: &Path, port: u16, upstream: u16) -> Result<Command, Error> {
    let base = folder.display();
    let conf = format!(
        "daemon off;\n\
         worker_processes 1;\n\
         pid {base}/nginx.pid;\n\
         error_log stderr warn;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n\
         \x20 access_log off;\n\
         \x20 client_body_temp_path {base}/body;\n\
         \x20 proxy_temp_path {base}/proxy;\n\
         \x20 fastcgi_temp_path {base}/fastcgi;\n\
         \x20 uwsgi_temp_path {base}/uwsgi;\n\
         \x20 scgi_temp_path {base}/scgi;\n\
         \x20 keepalive_requests 1000000000;\n\
         \x20 upstream mock {{\n\
         \x20   server 127.0.0.1:{upstream};\n\
         \x20   keepalive 64;\n\
         \x20   keepalive_requests 1000000000;\n\
         \x20 }}\n\
         \x20 server {{\n\
         \x20   listen 127.0.0.1:{port};\n\
         \x20   location / {{\n\
         \x20     proxy_pass http://mock;\n\
         \x20     proxy_http_version 1.1;\n\
         \x20     proxy_set_header connection \"\";\n\
         \x20   }}\n\
         \x20 }}\n\
         }}\n"
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, conf).map_err(Error::io("write nginx.conf"))?;
    let mut command = process::command(Path::new("nginx"), Place::Measured);
    command.arg("-e").arg("stderr").arg("-p").arg(folder).arg("-c").arg(file);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    Ok(command)
}

/// Kijun as it ships, with keys, limits, usage and journal on; only the keys of real providers that
/// this machine may know stay out of it.
fn kijun(
    binaries: &Binaries,
    folder: &Path,
    port: u16,
    upstream: u16,
    postgres: Option<&str>,
) -> Result<Command, Error> {
    let store = postgres.map_or(String::new(), |url| format!("[store]\nurl = {url:?}\n\n"));
    let limit = |measure: &str, amount: u64| {
        format!("[[limits]]\nscope = \"key\"\nmeasure = \"{measure}\"\namount = {amount}\n\n")
    };
    let requests = limit("requests_per_minute", 100_000_000);
    let tokens = limit("tokens_per_minute", 1_000_000_000_000);
    let config = format!(
        "{store}\
         [discovery]\n\
         environment = false\n\n\
         [[providers]]\n\
         name = \"mock\"\n\
         kind = \"openai\"\n\
         base_url = \"http://127.0.0.1:{upstream}/v1\"\n\
         api_key = {{ env = \"MOCK_KEY\" }}\n\n\
         [[models]]\n\
         name = \"bench\"\n\
         targets = [{{ provider = \"mock\", model = \"bench\", weight = 1 }}]\n\n\
         {requests}{tokens}"
    );
    let file = folder.join("kijun.toml");
    fs::write(&file, config).map_err(Error::io("write kijun.toml"))?;
    let mut command = process::command(&binaries.kijun, Place::Measured);
    command
        .arg("serve")
        .arg("--data-dir")
        .arg(folder.join("data"))
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .arg("--config")
        .arg(file)
        .env("MOCK_KEY", "sk-mock")
        .env("KIJUN_BOOTSTRAP_API_KEY", KEY)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_of_kijun_is_valid_toml() {
        let folder = tempfile::tempdir().unwrap();
        let binaries = Binaries { xtask: "xtask".into(), kijun: "kijun".into() };
        kijun(&binaries, folder.path(), 1, 2, Some("postgres://h/d?a=\"b\"")).unwrap();
        let text = fs::read_to_string(folder.path().join("kijun.toml")).unwrap();
        let config: toml::Table = text.parse().unwrap();
        assert_eq!(config["store"]["url"].as_str(), Some("postgres://h/d?a=\"b\""));
        assert_eq!(config["limits"].as_array().unwrap().len(), 2);
    }
}
