//! What a person sees when a node has started.

use std::fmt::Write as _;
use std::net::SocketAddr;

use gateway::Gateway;
use identity::FirstKeys;
use kernel::catalog::Source;
use secrecy::ExposeSecret as _;

/// Models named in the banner at most.
const NAMED: usize = 12;

/// What to do about a provider that serves nothing because Azure lists no deployments.
pub(crate) fn name_deployments(provider: &str) -> String {
    format!(
        "Azure does not list deployments; serve each with `kijun models add NAME --target \
         {provider}/DEPLOYMENT`"
    )
}

/// Where to reach the node, and the keys that were just made. They are never shown again, so this
/// is said as soon as they exist.
pub(crate) fn ready(scheme: &str, address: SocketAddr, keys: &FirstKeys) -> String {
    let mut text = format!("\nKijun is ready: {scheme}://{address}/v1\n");
    if let Some(key) = &keys.api_key {
        let _ = write!(text, "\n  API key    {}", key.expose_secret());
    }
    if let Some(key) = &keys.admin_key {
        let _ = write!(text, "\n  Admin key  {}", key.expose_secret());
    }
    if keys.api_key.is_some() || keys.admin_key.is_some() {
        text.push_str("\n  Write them down: they are stored only as hashes and not shown again.\n");
    }
    text
}

/// Which providers and models were found.
pub(crate) fn found(gateway: &Gateway) -> String {
    let snapshot = gateway.snapshot();
    let mut providers: Vec<_> = snapshot.providers.values().map(|named| &named.spec).collect();
    providers.sort_by(|a, b| a.name.cmp(&b.name));
    let mut text = "  Providers  ".to_owned();
    let named: Vec<String> = providers
        .iter()
        .map(|spec| match spec.source {
            Source::Environment => format!("{} (found)", spec.name),
            _ => spec.name.clone(),
        })
        .collect();
    text.push_str(&named.join(", "));
    let models = snapshot.routes.sorted();
    let names: Vec<&str> = models.iter().take(NAMED).map(|alias| &*alias.name).collect();
    let _ = write!(text, "\n  Models     {}", names.join(", "));
    if models.len() > NAMED {
        let _ = write!(text, " and {} more", models.len() - NAMED);
    }
    for spec in providers.iter().filter(|spec| spec.kind == "azure") {
        let mut targets = models.iter().flat_map(|alias| &alias.targets);
        if !targets.any(|target| *target.provider_name == *spec.name) {
            let _ = write!(text, "\n\n  {}: {}", spec.name, name_deployments(&spec.name));
        }
    }
    let only_sim = providers.iter().all(|spec| spec.kind == "sim");
    if only_sim {
        text.push_str(
            "\n\n  No provider was found. kijun-sim is a scripted model to try everything with; set \
             OPENAI_API_KEY,\n  start Ollama, or add one with `kijun providers add`.",
        );
    }
    text.push('\n');
    text
}
