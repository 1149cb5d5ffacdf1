//! `kijun providers`

use std::collections::BTreeMap;
use std::io::Read as _;

use api::organization::written;
use clap::Subcommand;
use kernel::catalog::{ProviderSpec, Source, Timeouts};
use secrecy::SecretString;

use super::document::{Document, already_there};
use super::session::Session;
use super::{Failed, print};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Add a provider.
    Add {
        /// Its name.
        name: String,
        /// openai (and compatible servers), azure, anthropic, gemini, ollama or sim.
        #[arg(long)]
        kind: String,
        /// Where it is; left out: the vendor's own address.
        #[arg(long, value_name = "URL")]
        base_url: Option<String>,
        /// Read the credential from standard input, so that it stands in no history.
        #[arg(long)]
        api_key_stdin: bool,
        /// What is particular about a compatible server, e.g. vllm.
        #[arg(long)]
        quirks: Option<String>,
        /// The version of its API (azure and anthropic).
        #[arg(long)]
        api_version: Option<String>,
        /// Calls under way at once at each of its models.
        #[arg(long, value_name = "NUMBER")]
        max_concurrent: Option<u32>,
        /// Serve every model it lists under its own name.
        #[arg(long)]
        discover: bool,
    },
    /// Make a provider, or replace one whole, from the JSON of the API's POST /v1/organization/providers.
    Put(Document),
    /// Give a provider another credential, read from standard input. All else of it stays.
    SetKey {
        /// Its name.
        name: String,
    },
    /// List the providers that are written down.
    List,
    /// Remove a provider with its credential.
    Remove {
        /// Its name.
        name: String,
    },
}

pub(super) async fn run(verb: Verb, session: Session) -> Result<(), Failed> {
    let Session { store, catalog, rack, .. } = &session;
    match verb {
        Verb::Add {
            name,
            kind,
            base_url,
            api_key_stdin,
            quirks,
            api_version,
            max_concurrent,
            discover,
        } => {
            if store.provider_list().await?.iter().any(|provider| provider.name == name) {
                return Err(already_there("provider", &name));
            }
            let spec = ProviderSpec {
                name,
                kind,
                base_url,
                api_key: if api_key_stdin { Some(from_stdin()?) } else { None },
                quirks,
                api_version,
                headers: BTreeMap::new(),
                timeouts: Timeouts::default(),
                max_concurrent,
                discover,
                source: Source::Database,
            };
            catalog.provider_put(store, rack, &spec).await?;
        }
        Verb::Put(document) => {
            catalog.provider_put(store, rack, &document.read(written::provider)?).await?;
        }
        Verb::SetKey { name } => catalog.provider_set_key(store, &name, &from_stdin()?).await?,
        Verb::List => {
            let providers = catalog.providers_with(store.provider_list().await?);
            let rows: Vec<[String; 5]> = providers.iter().map(row).collect();
            print::table(["NAME", "KIND", "ADDRESS", "CREDENTIAL", "FROM"], &rows);
        }
        Verb::Remove { name } => catalog.provider_delete(store, &name).await?,
    }
    Ok(())
}

fn from_stdin() -> Result<SecretString, Failed> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    match text.trim() {
        "" => Err(Failed::new("no credential came by standard input")),
        text => Ok(text.to_owned().into()),
    }
}

fn row(spec: &ProviderSpec) -> [String; 5] {
    let address = match (&spec.base_url, spec.kind.as_str()) {
        (Some(url), _) => url.clone(),
        (None, "sim") => "built in".to_owned(),
        (None, _) => "the vendor's own".to_owned(),
    };
    let credential = if spec.api_key.is_some() { "set" } else { "none" };
    [
        spec.name.clone(),
        spec.kind.clone(),
        address,
        credential.to_owned(),
        print::source(spec.source).to_owned(),
    ]
}
