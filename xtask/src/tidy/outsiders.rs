//! Which crate may use which outsider. SQL, sockets and web frameworks each have their rooms.

use super::rust::{crate_of, shipped_lines};
use super::{Finding, Repo};
use crate::cargo::short_name;

/// An outsider that only some crates may use.
struct Outsider {
    /// Its name in the registry.
    package: &'static str,
    /// Who may use it.
    rooms: &'static [&'static str],
    /// Whether tests elsewhere may use it too.
    tests_too: bool,
}

const OUTSIDERS: &[Outsider] = &[
    Outsider { package: "axum", rooms: &["api"], tests_too: false },
    Outsider { package: "clap", rooms: &["server", "xtask"], tests_too: false },
    Outsider { package: "hyper", rooms: NETWORK, tests_too: true },
    Outsider { package: "hyper-util", rooms: NETWORK, tests_too: true },
    Outsider { package: "sqlx", rooms: &["store"], tests_too: false },
    Outsider { package: "tiktoken-rs", rooms: &["vocabulary"], tests_too: false },
    Outsider { package: "tokio-rustls", rooms: NETWORK, tests_too: true },
    Outsider { package: "utoipa", rooms: &["api"], tests_too: false },
    Outsider { package: "utoipa-axum", rooms: &["api"], tests_too: false },
];

/// A path that only some crates may name in code that ships.
struct Name {
    path: &'static str,
    rooms: &'static [&'static str],
}

const NAMES: &[Name] = &[
    Name { path: "tokio::net", rooms: NETWORK },
    Name { path: "std::net::Tcp", rooms: NETWORK },
    Name { path: "std::net::Udp", rooms: NETWORK },
    Name { path: "hyper::client", rooms: CALLERS },
    Name { path: "hyper_util::client", rooms: CALLERS },
    Name { path: "hyper::server", rooms: LISTENERS },
    Name { path: "hyper_util::server", rooms: LISTENERS },
];

const NETWORK: &[&str] = &["alerts", "providers", "api", "server", "testkit", "xtask"];
const CALLERS: &[&str] = &["alerts", "providers", "server", "testkit"];
const LISTENERS: &[&str] = &["api", "server", "testkit"];

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = packages(repo);
    findings.extend(names(repo));
    findings
}

fn packages(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in repo.house() {
        let name = short_name(&package.name);
        for used in &package.dependencies {
            let rule = OUTSIDERS.iter().find(|outsider| outsider.package == used.name);
            let Some(rule) = rule else { continue };
            let in_tests = used.kind.as_deref() == Some("dev");
            if rule.rooms.contains(&name) || in_tests && rule.tests_too {
                continue;
            }
            let line = repo.line_of(&package.manifest_path, &used.name);
            let what = misplaced(name, rule.package, rule.rooms);
            findings.push(Finding::failure(&package.manifest_path, line, what));
        }
    }
    findings
}

fn names(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.files(".rs") {
        let room = crate_of(path).and_then(|folder| folder.rsplit('/').next());
        let Some(room) = room.filter(|_| path.contains("/src/")) else { continue };
        for (line, code) in shipped_lines(text) {
            for name in NAMES.iter().filter(|name| code.contains(name.path)) {
                if !name.rooms.contains(&room) && room != "xtask" {
                    let what = misplaced(room, name.path, name.rooms);
                    findings.push(Finding::failure(path, line, what));
                }
            }
        }
    }
    findings
}

fn misplaced(room: &str, outsider: &str, rooms: &[&str]) -> String {
    let rooms = rooms.join(", ");
    format!("`{room}` may not use `{outsider}`, only {rooms} may; move this code there")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sql_lives_in_the_store() {
        let right = Repo::default().with_crate("store", &[("sqlx", None)]);
        assert_eq!(check(&right), []);
        let wrong = Repo::default().with_crate("gateway", &[("sqlx", Some("dev"))]);
        assert_eq!(check(&wrong).len(), 1);
        assert!(check(&wrong)[0].what.starts_with("`gateway` may not use `sqlx`, only store may"));
    }

    #[test]
    fn tests_may_open_sockets() {
        let repo = Repo::default().with_crate("gateway", &[("hyper", Some("dev"))]);
        assert_eq!(check(&repo), []);
        let repo = Repo::default().with_crate("gateway", &[("hyper", None)]);
        assert_eq!(check(&repo).len(), 1);
    }

    #[test]
    fn sockets_are_found_in_code_that_ships() {
        let text = "// tokio::net\nuse tokio::net::TcpStream;\nmod tests {\n use tokio::net;\n}\n";
        let repo = Repo::of(&[
            ("crates/wire/src/a.rs", text),
            ("crates/api/src/a.rs", text),
            ("crates/wire/tests/it/main.rs", text),
        ]);
        let findings = check(&repo);
        assert_eq!(findings.len(), 1);
        assert_eq!((findings[0].path.as_str(), findings[0].line), ("crates/wire/src/a.rs", 2));
    }
}
