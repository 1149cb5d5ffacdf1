//! Model servers on this machine, found on their usual ports.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use kernel::catalog::{ProviderSpec, Source};
use tokio::net::TcpStream;

use crate::config::found;

/// How long a port on this machine may take to accept.
const PATIENCE: Duration = Duration::from_millis(100);

/// A server's name, its port, and which entry of the rack speaks to it with which quirks.
struct Usual {
    name: &'static str,
    port: u16,
    kind: &'static str,
    quirks: Option<&'static str>,
    path: &'static str,
}

impl Usual {
    fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}{}", self.port, self.path)
    }
}

const USUAL: [Usual; 4] = [
    Usual { name: "ollama", port: 11434, kind: "ollama", quirks: None, path: "" },
    Usual { name: "llama-cpp", port: 8080, kind: "openai", quirks: Some("llama_cpp"), path: "/v1" },
    Usual {
        name: "llama-cpp-2",
        port: 8081,
        kind: "openai",
        quirks: Some("llama_cpp"),
        path: "/v1",
    },
    Usual { name: "vllm", port: 8000, kind: "openai", quirks: Some("vllm"), path: "/v1" },
];

/// Whether this provider is one that [`look`] guessed from an open port.
pub(crate) fn guessed(spec: &ProviderSpec) -> bool {
    spec.source == Source::Environment
        && USUAL.iter().any(|usual| {
            usual.name == spec.name && spec.base_url.as_deref() == Some(&*usual.base_url())
        })
}

fn others(own: SocketAddr) -> impl Iterator<Item = Usual> {
    USUAL.into_iter().filter(move |usual| usual.port != own.port())
}

/// The servers whose ports accept a connection, but for our own. Whether a model server is behind
/// them shows when they are asked for their models; one that lists none serves none.
pub(crate) async fn look(own: SocketAddr) -> Vec<ProviderSpec> {
    let mut specs = Vec::new();
    for usual in others(own) {
        let connect = TcpStream::connect((Ipv4Addr::LOCALHOST, usual.port));
        if let Ok(Ok(_)) = tokio::time::timeout(PATIENCE, connect).await {
            let base_url = usual.base_url();
            let mut spec = found(usual.name, usual.kind, Some(&base_url), Source::Environment);
            spec.quirks = usual.quirks.map(str::to_owned);
            specs.push(spec);
        }
    }
    specs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_port_is_not_looked_at() {
        let ports = |own: &str| -> Vec<u16> {
            others(own.parse().unwrap()).map(|usual| usual.port).collect()
        };
        assert_eq!(ports("127.0.0.1:8080"), [11434, 8081, 8000]);
        assert_eq!(ports("0.0.0.0:9000"), [11434, 8080, 8081, 8000]);
    }

    #[test]
    fn only_what_was_guessed_is_a_guess() {
        let ollama = |url, source| found("ollama", "ollama", Some(url), source);
        assert!(guessed(&ollama("http://127.0.0.1:11434", Source::Environment)));
        assert!(!guessed(&ollama("http://127.0.0.1:11434", Source::File)));
        assert!(!guessed(&ollama("http://gpu.example:11434", Source::Environment)));
    }
}
