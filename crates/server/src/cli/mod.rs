//! The command line. Without a command, `kijun` serves.

mod admin_keys;
mod audit;
mod backup;
mod budgets;
mod check;
mod document;
mod duration;
mod health;
mod keys;
mod limits;
mod master_key;
mod models;
mod notices;
mod organizations;
mod prices;
mod print;
mod projects;
mod providers;
mod restore;
mod retention;
mod seed_usage;
mod serve;
mod service_levels;
mod session;
mod usage;
mod webhooks;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, Environment};

/// Kijun: a governed, OpenAI-compatible endpoint in front of any model.
///
/// `kijun` alone starts it: a database, keys and a journal in ./data, clients at
/// http://127.0.0.1:8080/v1, and every provider that is found.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The configuration file; every key is explained by `kijun config`.
    #[arg(long, short, global = true, value_name = "FILE", env = "KIJUN_CONFIG")]
    config: Option<PathBuf>,
    /// Where the database, the keys and the journal are [default: ./data].
    #[arg(long, short, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where clients reach Kijun [default: 127.0.0.1:8080].
    #[arg(long, short, global = true, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Administer this organisation instead of the first one.
    #[arg(long, global = true, value_name = "ORGANIZATION_ID")]
    organization: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the node (the default).
    Serve,
    /// Check the configuration and reach every provider.
    Check,
    /// Ask the running node of this machine how it is; for Docker and the like.
    Health(health::Question),
    /// Print every configuration key with its default and meaning.
    Config,
    /// Make, list, rotate and revoke the API keys of projects.
    #[command(subcommand)]
    Keys(keys::Verb),
    /// Make and list organisations.
    #[command(subcommand)]
    Organizations(organizations::Verb),
    /// Make, list and revoke the admin keys of the organisation.
    #[command(subcommand)]
    AdminKeys(admin_keys::Verb),
    /// Make, list, change and archive projects.
    #[command(subcommand)]
    Projects(projects::Verb),
    /// Add, replace, list and remove models.
    #[command(subcommand)]
    Models(models::Verb),
    /// Add, replace, list and remove providers.
    #[command(subcommand)]
    Providers(providers::Verb),
    /// Add, list, change and remove limits.
    #[command(subcommand)]
    Limits(limits::Verb),
    /// Make, list, change and delete budgets: how much money may be spent.
    #[command(subcommand)]
    Budgets(budgets::Verb),
    /// Add and list prices.
    #[command(subcommand)]
    Prices(prices::Verb),
    /// Check and rebuild the sums that usage and costs are told from.
    #[command(subcommand)]
    Usage(usage::Verb),
    /// Show and set what is promised for service tiers; make a month's statement.
    #[command(subcommand)]
    ServiceLevels(service_levels::Verb),
    /// Make, list, test and delete webhooks.
    #[command(subcommand)]
    Webhooks(webhooks::Verb),
    /// List what was told by mail and webhook; try again what was given up.
    #[command(subcommand)]
    Notices(notices::Verb),
    /// Show and set how long content is kept; list what was deleted.
    #[command(subcommand)]
    Retention(retention::Verb),
    /// List what administrators changed, and check that nobody altered the log of it.
    #[command(subcommand)]
    Audit(audit::Verb),
    /// Make a sealed backup of everything, also while the node runs; verify one.
    #[command(subcommand)]
    Backup(backup::Verb),
    /// Restore a backup into an empty data directory.
    Restore(restore::Restore),
    /// Put a new master key in the place of the old one, also while nodes run.
    #[command(subcommand)]
    MasterKey(master_key::Verb),
    /// For development: fill a new database with made-up calls.
    SeedUsage(seed_usage::SeedUsage),
}

/// Why a command failed: one message that says what, where, and how to mend it.
#[derive(Debug)]
pub(crate) struct Failed(String);

impl Failed {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments, environment: Environment) -> Result<(), Failed> {
    let Arguments { options, command } = arguments;
    let command = command.unwrap_or(Command::Serve);
    if matches!(command, Command::Config) {
        print::line(crate::config::DEFAULTS.trim_end());
        return Ok(());
    }
    let config = load(&options, &environment)?;
    let keeper = std::cell::OnceCell::new();
    let session = async |config, environment| {
        let session = session::open(config, environment, options.organization.clone()).await?;
        let _ = keeper.set(session.keeper());
        Ok::<_, Failed>(session)
    };
    let done = match command {
        Command::Serve => serve::run(config, environment).await,
        Command::Check => check::run(config, environment).await,
        Command::Health(question) => health::run(&question, &config).await,
        Command::SeedUsage(wish) => seed_usage::run(wish, config, environment).await,
        Command::Config => Ok(()),
        Command::Backup(verb) => backup::run(verb, config, environment).await,
        Command::Restore(wish) => restore::run(wish, config, environment).await,
        Command::MasterKey(verb) => master_key::run(verb, config, environment).await,
        Command::Keys(verb) => keys::run(verb, session(config, environment).await?).await,
        Command::Organizations(verb) => {
            organizations::run(verb, session(config, environment).await?).await
        }
        Command::AdminKeys(verb) => {
            admin_keys::run(verb, session(config, environment).await?).await
        }
        Command::Projects(verb) => projects::run(verb, session(config, environment).await?).await,
        Command::Models(verb) => models::run(verb, session(config, environment).await?).await,
        Command::Providers(verb) => providers::run(verb, session(config, environment).await?).await,
        Command::Limits(verb) => limits::run(verb, session(config, environment).await?).await,
        Command::Budgets(verb) => budgets::run(verb, session(config, environment).await?).await,
        Command::Usage(verb) => usage::run(verb, session(config, environment).await?).await,
        Command::ServiceLevels(verb) => {
            service_levels::run(verb, session(config, environment).await?).await
        }
        Command::Webhooks(verb) => webhooks::run(verb, session(config, environment).await?).await,
        Command::Notices(verb) => notices::run(verb, session(config, environment).await?).await,
        Command::Prices(verb) => prices::run(verb, session(config, environment).await?).await,
        Command::Retention(verb) => retention::run(verb, session(config, environment).await?).await,
        Command::Audit(verb) => {
            audit::run(verb, config, environment, options.organization.clone()).await
        }
    };
    if let Some(keeper) = keeper.get() {
        keeper.close().await;
    }
    done
}

/// Says why on standard error, and fails.
pub(crate) fn fail(message: &str) -> ExitCode {
    print::complain(message);
    ExitCode::FAILURE
}

fn load(options: &Options, environment: &Environment) -> Result<Config, Failed> {
    let mut config = Config::load(options.config.as_deref(), environment)?;
    if let Some(data_dir) = &options.data_dir {
        config.server.data_dir.clone_from(data_dir);
    }
    if let Some(listen) = options.listen {
        config.server.listen = listen;
    }
    Ok(config)
}
