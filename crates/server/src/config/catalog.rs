//! Providers, models and limits as the configuration file has them.

use std::collections::BTreeMap;

use kernel::Operation;
use kernel::catalog::{Fallback, ModelSpec, ProviderSpec, Source, TargetSpec, Timeouts};
use kernel::limit::{Limit, LimitMeasure, LimitScope};
use serde::Deserialize;

use super::secret::SecretSource;
use super::{Config, ConfigError, Environment};

/// `[[providers]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProviderEntry {
    name: String,
    kind: String,
    base_url: Option<String>,
    api_key: Option<SecretSource>,
    quirks: Option<String>,
    api_version: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    timeouts: Timeouts,
    max_concurrent: Option<u32>,
    #[serde(default)]
    discover: bool,
}

/// `[[models]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelEntry {
    name: String,
    targets: Vec<TargetSpec>,
    #[serde(default)]
    fallbacks: Vec<Fallback>,
}

/// `[[limits]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitEntry {
    scope: LimitScope,
    subject: Option<String>,
    model: Option<String>,
    measure: LimitMeasure,
    amount: u64,
}

impl Config {
    /// What the file and the environment say of providers, models, limits and prices. `local` are
    /// the servers that were found on this machine.
    ///
    /// # Errors
    /// When a credential is not where it should be, or a price is none.
    pub(crate) fn catalog(
        &self,
        environment: &Environment,
        local: Vec<ProviderSpec>,
    ) -> Result<gateway::catalog::Catalog, ConfigError> {
        let mut providers = Vec::new();
        for entry in &self.providers {
            providers.push(entry.spec(environment)?);
        }
        let mut add = |spec: ProviderSpec| {
            let known = |other: &ProviderSpec| {
                other.name == spec.name
                    || (spec.base_url.is_some() && other.base_url == spec.base_url)
            };
            if !providers.iter().any(known) {
                providers.push(spec);
            }
        };
        if self.discovery.environment {
            from_environment(environment).into_iter().for_each(&mut add);
        }
        local.into_iter().for_each(&mut add);
        let mut models: Vec<ModelSpec> = self.models.iter().map(ModelEntry::spec).collect();
        if self.sim.enabled {
            add(found("kijun-sim", "sim", None, Source::BuiltIn));
            for name in ["kijun-sim", "kijun-sim-embedding", "kijun-sim-moderation"] {
                if !models.iter().any(|model| model.name == name) {
                    models.push(built_in_model(name));
                }
            }
        }
        let limits = self.limits.iter().enumerate().map(|(at, entry)| entry.limit(at)).collect();
        Ok(gateway::catalog::Catalog { providers, models, limits, prices: self.prices()? })
    }
}

impl ProviderEntry {
    fn spec(&self, environment: &Environment) -> Result<ProviderSpec, ConfigError> {
        let owner = format!("provider `{}`", self.name);
        let api_key =
            self.api_key.as_ref().map(|source| source.read(&owner, environment)).transpose()?;
        Ok(ProviderSpec {
            name: self.name.clone(),
            kind: self.kind.clone(),
            base_url: self.base_url.clone(),
            api_key,
            quirks: self.quirks.clone(),
            api_version: self.api_version.clone(),
            headers: self.headers.clone(),
            timeouts: self.timeouts,
            max_concurrent: self.max_concurrent,
            discover: self.discover,
            source: Source::File,
        })
    }
}

impl ModelEntry {
    fn spec(&self) -> ModelSpec {
        ModelSpec {
            name: self.name.clone(),
            targets: self.targets.clone(),
            fallbacks: self.fallbacks.clone(),
            source: Source::File,
        }
    }
}

impl LimitEntry {
    fn limit(&self, at: usize) -> Limit {
        Limit {
            id: format!("limit_file_{}", at + 1).into(),
            scope: self.scope,
            subject: self.subject.clone(),
            model: self.model.clone(),
            measure: self.measure,
            amount: self.amount,
        }
    }
}

/// A provider that nobody wrote down.
pub(crate) fn found(
    name: &str,
    kind: &str,
    base_url: Option<&str>,
    source: Source,
) -> ProviderSpec {
    ProviderSpec {
        name: name.to_owned(),
        kind: kind.to_owned(),
        base_url: base_url.map(str::to_owned),
        api_key: None,
        quirks: None,
        api_version: None,
        headers: BTreeMap::new(),
        timeouts: Timeouts::default(),
        max_concurrent: None,
        discover: source == Source::Environment,
        source,
    }
}

/// The providers whose usual variables are set, as their own SDKs read them.
fn from_environment(environment: &Environment) -> Vec<ProviderSpec> {
    let mut specs = Vec::new();
    let vendors = [
        ("openai", "OPENAI_API_KEY", "OPENAI_BASE_URL"),
        ("anthropic", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"),
        ("gemini", "GEMINI_API_KEY", "GEMINI_BASE_URL"),
    ];
    for (kind, key, base_url) in vendors {
        if let Some(value) = environment.get(key) {
            let mut spec = found(kind, kind, environment.get(base_url), Source::Environment);
            spec.api_key = Some(value.to_owned().into());
            specs.push(spec);
        }
    }
    let azure = (environment.get("AZURE_OPENAI_ENDPOINT"), environment.get("AZURE_OPENAI_API_KEY"));
    if let (Some(endpoint), Some(key)) = azure {
        let mut spec = found("azure", "azure", Some(endpoint), Source::Environment);
        spec.api_key = Some(key.to_owned().into());
        spec.api_version = environment.get("AZURE_OPENAI_API_VERSION").map(str::to_owned);
        specs.push(spec);
    }
    specs
}

fn built_in_model(name: &str) -> ModelSpec {
    let operations = match name {
        "kijun-sim-embedding" => vec![Operation::Embeddings],
        "kijun-sim-moderation" => vec![Operation::Moderations],
        _ => vec![Operation::ChatCompletions, Operation::Completions, Operation::Embeddings],
    };
    ModelSpec {
        name: name.to_owned(),
        targets: vec![TargetSpec {
            provider: "kijun-sim".to_owned(),
            model: name.to_owned(),
            weight: 1,
            operations,
        }],
        fallbacks: Vec::new(),
        source: Source::BuiltIn,
    }
}
