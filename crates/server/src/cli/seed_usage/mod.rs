//! `kijun seed-usage`: an organisation with months of made-up calls, to see how usage, costs and the
//! database behave at scale. For development; nothing that it writes was ever called.

mod calls;

use clap::Args;
use identity::{Administration, KeyToMake};
use kernel::{Actor, ProjectId, Scope};
use secrecy::ExposeSecret as _;

use self::calls::{Caller, Calls, Shape};
use super::{Failed, print};
use crate::app::{self, Effects};
use crate::config::{Config, Environment};
use crate::data_dir::DataDir;

/// Calls written at once. More make no call cheaper, and each batch must fit in memory.
const BATCH: usize = 20_000;

#[derive(Debug, Args)]
pub(super) struct SeedUsage {
    /// How many calls.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    calls: u64,
    /// Over how many days up to now.
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..))]
    days: u16,
    /// How many projects share them.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    projects: u16,
    /// How many API keys; each belongs to one project.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..))]
    keys: u16,
    /// How many models.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..))]
    models: u16,
    /// How many end users; each calls for one project, and mostly with one key.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    users: u32,
    /// The same seed makes the same calls.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write into a database that has organisations already.
    #[arg(long)]
    force: bool,
}

pub(super) async fn run(
    wish: SeedUsage,
    config: Config,
    environment: Environment,
) -> Result<(), Failed> {
    let effects = Effects::of_system();
    let data_dir = DataDir::open(&config.server.data_dir)?;
    let store = app::open_store(&config, &environment, &data_dir, &effects).await?;
    if !wish.force && !store.organization_list().await?.is_empty() {
        return Err(Failed::new(
            "this database has organisations already; name another one with --data-dir or --config, \
             or add one of made-up calls to it with --force",
        ));
    }
    let acting = store.by(&Actor::system("seed-usage"));
    let administration = Administration::new(acting, effects.clock.clone(), effects.rng.clone());
    let made = administration.organization_create("Made-up usage").await?;
    let scope = Scope::organization(made.organization.id.clone());
    let callers = callers(&administration, &scope, made.project.id, &wish).await?;

    let shape = Shape {
        calls: wish.calls,
        days: wish.days.into(),
        models: wish.models.into(),
        users: wish.users.into(),
        until: effects.clock.now(),
    };
    let mut calls = Calls::new(wish.seed, shape, made.organization.id, callers);
    let mut written = 0;
    let mut told = 0;
    loop {
        let batch: Vec<_> = calls.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            break;
        }
        written += store.call_insert("", &batch).await?.new;
        let tenths = written * 10 / wish.calls;
        if tenths > told {
            told = tenths;
            print::line(&format!("{written} of {} calls", wish.calls));
        }
    }
    print::line(&format!(
        "organisation {}, which this admin key reads, shown once:\n{}",
        scope.organization,
        made.admin_key.expose_secret()
    ));
    Ok(())
}

/// The keys, shared out to the projects in turn. Every eighth is a service account's.
async fn callers(
    administration: &Administration,
    scope: &Scope,
    first: ProjectId,
    wish: &SeedUsage,
) -> Result<Vec<Caller>, Failed> {
    let mut projects = vec![first];
    for number in 2..=wish.projects {
        let name = format!("Project {number}");
        projects.push(administration.project_create(scope, &name).await?.id);
    }
    let mut callers = Vec::new();
    for (number, project) in (1..=wish.keys).zip(projects.iter().cycle()) {
        let name = format!("Key {number}");
        let (api_key, service_account) = if number % 8 == 0 {
            let made = administration.service_account_create(scope, project, &name).await?;
            (made.key.key.id, Some(made.account.id))
        } else {
            let key = KeyToMake {
                project: project.clone(),
                name,
                service_account: None,
                expires_at: None,
            };
            (administration.api_key_create(scope, key).await?.key.id, None)
        };
        callers.push(Caller { project: project.clone(), api_key, service_account });
    }
    Ok(callers)
}
