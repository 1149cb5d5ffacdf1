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

const USUAL: [Usual; 4] = [
    Usual { name: "ollama", port: 11434, kind: "ollama", quirks: None, path: "" },
    Usual { name: "llama-cpp", port: 8080, kind: "openai", quirks: Some("llama_cpp"), path: "/v1" },
    Usual { name: "llama-cpp-2", port: 8081, kind: "openai", quirks: Some("llama_cpp"), path: "/v1" },
    Usual { name: "vllm", port: 8000, kind: "openai", quirks: Some("vllm"), path: "/v1" },
];

/// The servers whose ports accept a connection, but for our own. Whether a model server is behind
/// them shows when they are asked for their models; one that lists none serves none.
pub(crate) async fn look(own: SocketAddr) -> Vec<ProviderSpec> {
    let mut specs = Vec::new();
    for usual in USUAL {
        if usual.port == own.port() {
            continue;
        }
        let connect = TcpStream::connect((Ipv4Addr::LOCALHOST, usual.port));
        if let Ok(Ok(_)) = tokio::time::timeout(PATIENCE, connect).await {
            let base_url = format!("http://127.0.0.1:{}{}", usual.port, usual.path);
            let mut spec = found(usual.name, usual.kind, Some(&base_url), Source::Environment);
            spec.quirks = usual.quirks.map(str::to_owned);
            specs.push(spec);
        }
    }
    specs
}
