//! The configuration: embedded defaults, then a file, then the environment, then the command line.
//! The environment is read here, once, and nowhere else.

mod audit;
mod catalog;
mod environment;
mod files;
mod ranges;
mod secret;
mod server;
mod telemetry;

use std::path::{Path, PathBuf};

use gateway::price::PriceTable;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

pub(crate) use environment::Environment;
pub(crate) use secret::read_secret_file;

pub(crate) use catalog::found;
pub(crate) use server::{ClientAuth, ServerConfig, TlsSection, TlsVersion};

use catalog::{LimitEntry, ModelEntry, ProviderEntry};

/// Every key with its default: the reference manual.
pub(crate) const DEFAULTS: &str = include_str!("../../config.default.toml");

/// The whole configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The door.
    pub(crate) server: ServerConfig,
    /// The database.
    pub(crate) store: StoreSection,
    /// Logs.
    pub(crate) log: LogConfig,
    /// The life of a call.
    pub(crate) gateway: gateway::GatewayConfig,
    /// Settled calls on their way to the database.
    pub(crate) journal: gateway::journal::JournalConfig,
    /// The Responses API.
    pub(crate) responses: responses::ResponsesConfig,
    /// What deletes content that is past its time.
    pub(crate) retention: retention::RetentionConfig,
    /// Batches.
    pub(crate) batches: batches::BatchesConfig,
    /// Files and uploads.
    files: files::FilesSection,
    /// Where nodes count together.
    pub(crate) counters: counters::CountersConfig,
    /// The audit log.
    audit: audit::AuditSection,
    /// What people are told.
    pub(crate) alerts: alerts::AlertsConfig,
    mail: telemetry::MailSection,
    metrics: telemetry::MetricsSection,
    telemetry: telemetry::TelemetrySection,
    /// Where providers may be.
    pub(crate) outbound: providers::Reach,
    /// What is found without being written down.
    pub(crate) discovery: DiscoveryConfig,
    /// The scripted model.
    pub(crate) sim: SimConfig,
    #[serde(default)]
    providers: Vec<ProviderEntry>,
    #[serde(default)]
    models: Vec<ModelEntry>,
    #[serde(default)]
    limits: Vec<LimitEntry>,
    #[serde(default)]
    prices: Vec<gateway::price::PriceRow>,
}

/// `[store]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoreSection {
    /// Empty: SQLite in the data directory.
    pub(crate) url: SecretString,
    /// Connections to PostgreSQL at most.
    pub(crate) max_connections: u32,
}

/// `[log]`
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogConfig {
    /// How lines look.
    pub(crate) format: LogFormat,
    /// Which lines there are.
    pub(crate) level: LogLevel,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Which log lines there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogLevel {
    /// What went wrong.
    Error,
    /// What may go wrong.
    Warn,
    /// What happened.
    Info,
    /// Every call.
    Debug,
    /// Everything.
    Trace,
}

/// `[discovery]`
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DiscoveryConfig {
    /// By environment variables.
    pub(crate) environment: bool,
    /// On default local ports.
    pub(crate) local_servers: bool,
}

/// `[sim]`
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SimConfig {
    /// Whether kijun-sim is served.
    pub(crate) enabled: bool,
}

/// Why the configuration cannot be used. Every message says what, where, and how to mend it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// A file with a secret cannot be read.
    #[error("the file {} that should hold a secret cannot be read: {source}", path.display())]
    UnreadableSecret {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file cannot be read.
    #[error("the configuration file {} cannot be read: {source}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file or a variable says something that no key takes.
    #[error("{place}: {problem}")]
    Wrong {
        /// The file, or the variable.
        place: String,
        /// What is wrong, where, and how to mend it.
        problem: String,
    },
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub(crate) fn load(
        file: Option<&Path>,
        environment: &Environment,
    ) -> Result<Self, ConfigError> {
        let (place, mut table) = match file {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
                let place = path.display().to_string();
                ranges::check_file(&place, &text)?;
                // Read alone first, so that an error shows the line in the user's own file.
                check_file(&text).map_err(|problem| wrong(&place, problem))?;
                let table =
                    toml::from_str(&text).map_err(|error| wrong(&place, error.to_string()))?;
                (place, table)
            }
            None => ("the configuration".to_owned(), toml::Table::new()),
        };
        let defaults: toml::Table = toml::from_str(DEFAULTS)
            .map_err(|error| wrong("config.default.toml", error.to_string()))?;
        refuse_unknown_variables(&defaults, environment)?;
        overlay("", &mut table, &defaults, environment)?;
        let merged = merge(defaults, table);
        ranges::check_together(&merged).map_err(|problem| wrong(&place, problem))?;
        merged.try_into().map_err(|error: toml::de::Error| wrong(&place, explain(error.message())))
    }

    /// Whether the database is in the data directory.
    pub(crate) fn has_own_database(&self) -> bool {
        self.store.url.expose_secret().is_empty()
    }

    /// Kijun's prices with the file's over them.
    ///
    /// # Errors
    /// When a row is no price.
    pub(crate) fn prices(&self) -> Result<PriceTable, ConfigError> {
        let listed =
            PriceTable::embedded().map_err(|error| wrong("prices.toml", error.to_string()))?;
        Ok(listed.with_overrides(self.prices.clone()))
    }
}

/// The user's file by itself: unknown keys are shown with their line.
fn check_file(text: &str) -> Result<(), String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read to find unknown keys with their line in the file")]
    struct File {
        #[serde(default)]
        server: toml::Table,
        #[serde(default)]
        store: toml::Table,
        #[serde(default)]
        log: toml::Table,
        #[serde(default)]
        gateway: gateway::GatewayConfig,
        #[serde(default)]
        journal: gateway::journal::JournalConfig,
        #[serde(default)]
        responses: responses::ResponsesConfig,
        #[serde(default)]
        retention: retention::RetentionConfig,
        #[serde(default)]
        batches: batches::BatchesConfig,
        #[serde(default)]
        files: toml::Table,
        #[serde(default)]
        counters: counters::CountersConfig,
        #[serde(default)]
        audit: toml::Table,
        #[serde(default)]
        alerts: alerts::AlertsConfig,
        #[serde(default)]
        mail: toml::Table,
        #[serde(default)]
        metrics: toml::Table,
        #[serde(default)]
        telemetry: toml::Table,
        #[serde(default)]
        outbound: toml::Table,
        #[serde(default)]
        discovery: toml::Table,
        #[serde(default)]
        sim: toml::Table,
        #[serde(default)]
        providers: Vec<ProviderEntry>,
        #[serde(default)]
        models: Vec<ModelEntry>,
        #[serde(default)]
        limits: Vec<LimitEntry>,
        #[serde(default)]
        prices: Vec<gateway::price::PriceRow>,
    }
    toml::from_str::<File>(text).map(|_| ()).map_err(|error| {
        // toml prints the line with a caret; the suggestion comes below it.
        let shown = error.to_string();
        match nearest(error.message()) {
            Some(known) => format!("{}\ndid you mean `{known}`?", shown.trim_end()),
            None => shown,
        }
    })
}

/// Puts KIJUN_SECTION_KEY, or what the file of KIJUN_SECTION_KEY_FILE holds, over the file, for every
/// key of the defaults, nested ones included. `section` is the table's own key.
fn overlay(
    section: &str,
    table: &mut toml::Table,
    defaults: &toml::Table,
    environment: &Environment,
) -> Result<(), ConfigError> {
    for (key, default) in defaults {
        let path = if section.is_empty() { key.clone() } else { format!("{section}.{key}") };
        if let toml::Value::Table(defaults) = default {
            let inner = table.entry(key.clone()).or_insert_with(|| toml::Table::new().into());
            if let Some(inner) = inner.as_table_mut() {
                overlay(&path, inner, defaults, environment)?;
            }
            continue;
        }
        let name = format!("KIJUN_{}", path.replace('.', "_")).to_uppercase();
        let Some(text) = environment.secret(&name)? else { continue };
        let text = text.expose_secret();
        let value = match default {
            toml::Value::Integer(_) => text.parse().ok().map(toml::Value::Integer),
            toml::Value::Float(_) => text.parse().ok().map(toml::Value::Float),
            toml::Value::Boolean(_) => text.parse().ok().map(toml::Value::Boolean),
            toml::Value::String(_) => Some(toml::Value::String(text.to_owned())),
            toml::Value::Array(_) => Some(list(text)),
            _ => continue,
        };
        let value =
            value.ok_or_else(|| wrong(&name, format!("must be a value such as {default}")))?;
        ranges::check(&path, &value).map_err(|problem| wrong(&name, problem))?;
        table.insert(key.clone(), value);
    }
    Ok(())
}

/// The words of a list, as a variable holds them: with commas between.
fn list(text: &str) -> toml::Value {
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    words.map(|word| toml::Value::String(word.to_owned())).collect::<Vec<_>>().into()
}

/// A variable that begins like a key's, and is none, is a mistake that would go unnoticed.
fn refuse_unknown_variables(
    defaults: &toml::Table,
    environment: &Environment,
) -> Result<(), ConfigError> {
    let mut known = Vec::new();
    variables("KIJUN", defaults, &mut known);
    for section in defaults.keys() {
        let prefix = format!("KIJUN_{section}_").to_uppercase();
        let unknown = environment.names().find(|name| {
            name.starts_with(&prefix)
                && !known.iter().any(|known| known == name.strip_suffix("_FILE").unwrap_or(name))
                && !is_service_link(name)
        });
        if let Some(name) = unknown {
            let nearest = known.iter().min_by_key(|known| strsim::damerau_levenshtein(name, known));
            let nearest = nearest.map_or("", String::as_str);
            return Err(wrong(name, format!("no key is set by it; did you mean `{nearest}`?")));
        }
    }
    Ok(())
}

/// The names of all variables that set a key.
fn variables(prefix: &str, defaults: &toml::Table, names: &mut Vec<String>) {
    for (key, default) in defaults {
        let name = format!("{prefix}_{key}").to_uppercase();
        match default {
            toml::Value::Table(defaults) => variables(&name, defaults, names),
            _ => names.push(name),
        }
    }
}

/// What Kubernetes and Docker set by themselves where a service has a name such as `kijun-server`.
fn is_service_link(name: &str) -> bool {
    ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT_"].iter().any(|part| name.contains(part))
        || name.ends_with("_PORT")
}

/// `over` on top of `under`, table by table.
fn merge(mut under: toml::Table, over: toml::Table) -> toml::Table {
    for (key, value) in over {
        let merged = match (under.remove(&key), value) {
            (Some(toml::Value::Table(under)), toml::Value::Table(over)) => {
                toml::Value::Table(merge(under, over))
            }
            (_, value) => value,
        };
        under.insert(key, merged);
    }
    under
}

fn wrong(place: &str, problem: impl Into<String>) -> ConfigError {
    ConfigError::Wrong { place: place.to_owned(), problem: problem.into() }
}

/// Serde's message, with the nearest known key where one is unknown.
fn explain(message: &str) -> String {
    match nearest(message) {
        Some(known) => format!("{message}; did you mean `{known}`?"),
        None => message.to_owned(),
    }
}

/// Of "unknown field `x`, expected one of `a`, `b`": the one nearest to `x`.
fn nearest(message: &str) -> Option<&str> {
    let rest = message
        .strip_prefix("unknown field `")
        .or_else(|| message.strip_prefix("unknown variant `"))?;
    let mut words = rest.split('`');
    let unknown = words.next()?;
    // Between two words stands a comma: every second piece is a word.
    words.skip(1).step_by(2).min_by_key(|known| strsim::damerau_levenshtein(unknown, known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kijun.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(Some(&path), &Environment::of(environment))
    }

    #[test]
    fn the_defaults_are_a_configuration() {
        let config = Config::load(None, &Environment::of(&[])).unwrap();
        assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.gateway, gateway::GatewayConfig::default());
        assert_eq!(config.responses, responses::ResponsesConfig::default());
        assert_eq!(config.retention, retention::RetentionConfig::default());
        assert_eq!(config.batches, batches::BatchesConfig::default());
        assert_eq!(config.outbound, providers::Reach::default());
    }

    #[test]
    fn an_unknown_key_names_the_nearest_one_and_its_line() {
        for (text, known) in [
            ("[server]\nlissen = \"127.0.0.1:1\"\n", "listen"),
            ("[gateway]\nrefresh = 1\n", "refresh_ms"),
            ("[[providers]]\nname = \"a\"\nkind = \"openai\"\nbase_ulr = \"x\"\n", "base_url"),
            ("[[model]]\nname = \"a\"\n", "models"),
        ] {
            let error = load(text, &[]).unwrap_err().to_string();
            assert!(error.contains(&format!("did you mean `{known}`?")), "{error}");
        }
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let config =
            load("[server]\nlisten = \"127.0.0.1:1\"\n", &[("KIJUN_SERVER_LISTEN", "127.0.0.1:2")]);
        assert_eq!(config.unwrap().server.listen.port(), 2);
        let error = load("", &[("KIJUN_SERVER_DRAIN_SECS", "soon")]).unwrap_err().to_string();
        assert!(error.starts_with("KIJUN_SERVER_DRAIN_SECS"), "{error}");
    }

    #[test]
    fn a_secret_may_be_in_a_file_that_a_variable_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("url");
        std::fs::write(&path, "postgres://a:canary@b/c\n").unwrap();
        let path = path.to_str().unwrap();
        let config = load("[store]\nurl = \"\"\n", &[("KIJUN_STORE_URL_FILE", path)]).unwrap();
        assert_eq!(config.store.url.expose_secret(), "postgres://a:canary@b/c");
        let error = load("", &[("KIJUN_STORE_URL_FILE", "/nowhere")]).unwrap_err().to_string();
        assert!(error.contains("/nowhere"), "{error}");
    }

    #[test]
    fn nested_sections_are_set_by_environment_too() {
        let file = "[gateway.retry]\nmax_attempts = 5\nbackoff_ms = 7\n";
        let config = load(file, &[("KIJUN_GATEWAY_RETRY_MAX_ATTEMPTS", "2")]).unwrap();
        assert_eq!(config.gateway.retry.max_attempts.get(), 2);
        assert_eq!(config.gateway.retry.backoff_ms, 7);
    }

    #[test]
    fn lists_are_set_by_environment_too() {
        let config = load("", &[("KIJUN_SERVER_TRUSTED_PROXIES", "10.0.0.0/8, ::1,")]).unwrap();
        let proxies = config.server.proxies();
        assert!(proxies.contains("10.1.2.3".parse().unwrap()));
        assert!(proxies.contains("::1".parse().unwrap()));
        assert!(!proxies.contains("::2".parse().unwrap()));
        let error = load("[server]\ntrusted_proxies = [\"10.0.0.0/99\"]\n", &[]).unwrap_err();
        assert!(error.to_string().contains("10.0.0.0/99"), "{error}");
    }

    #[test]
    fn a_variable_that_sets_nothing_names_the_nearest_one() {
        let error = load("", &[("KIJUN_SERVER_LISTEM", "127.0.0.1:2")]).unwrap_err().to_string();
        assert!(error.contains("did you mean `KIJUN_SERVER_LISTEN`?"), "{error}");
        let links = [("KIJUN_SERVER_SERVICE_HOST", "10.0.0.1"), ("KIJUN_SERVER_PORT", "tcp://x")];
        assert!(load("", &links).is_ok());
        assert!(load("", &[("KIJUN_API_KEY", "sk-x")]).is_ok());
    }

    #[test]
    fn a_missing_file_is_named() {
        let error =
            Config::load(Some(Path::new("/nowhere.toml")), &Environment::of(&[])).unwrap_err();
        assert!(error.to_string().contains("/nowhere.toml"));
    }
}
