//! `kijun restore`: a backup into an empty place.

use std::path::PathBuf;

use backup::Target;
use clap::Args;
use files::BlobConfig;
use secrecy::ExposeSecret as _;
use store::StoreConfig;

use super::backup::{Secret, held, input};
use super::{Failed, print};
use crate::app::{self, Effects};
use crate::config::{Config, Environment};
use crate::data_dir::DataDir;
use crate::master_keys::KeySource;

/// The arguments of `kijun restore`.
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The backup, or - for standard input.
    file: PathBuf,
    /// The empty database that the rows go into; left out: store.url, or SQLite in --data-dir.
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    #[command(flatten)]
    secret: Secret,
}

pub(super) async fn run(
    restore: Restore,
    config: Config,
    environment: Environment,
) -> Result<(), Failed> {
    let Restore { file, database, secret } = restore;
    let key = secret.read(&environment)?;
    let input = input(&file)?;
    let data_dir = DataDir::open(&config.server.data_dir)?;
    // Nobody starts a node on what is half there.
    let _node = data_dir.lock()?;
    let named = database.is_some();
    let url = database.or_else(|| match config.store.url.expose_secret() {
        "" => None,
        url => Some(url.to_owned()),
    });
    let blobs = match config.blobs(&environment, &data_dir)? {
        BlobConfig::Folder(folder) if folder == data_dir.blobs() => None,
        elsewhere => Some(elsewhere),
    };
    let source = KeySource::of(&environment, &data_dir);
    let of_environment = matches!(source, KeySource::Environment(_));
    let Effects { clock, rng } = Effects::of_system();
    let target = Target {
        data_dir: data_dir.path().to_owned(),
        database: url
            .clone()
            .map(|url| StoreConfig { url, ..app::store_config(&config, &data_dir) }),
        database_file: DataDir::DATABASE,
        master_key_file: DataDir::MASTER_KEY,
        blobs,
        master_keys: of_environment.then(|| source.load()).transpose()?,
        clock,
        rng,
    };
    let restored = backup::restore(input, &key, target).await?;
    print::line(&held(&restored.end));
    let place = data_dir.path().display();
    print::line(&format!(
        "restored into {place}{}",
        if url.is_some() { " and the database" } else { "" }
    ));
    if !restored.manifest.master_keys && !of_environment {
        print::line(&format!(
            "The backup has no master keys: put them into {} (mode 0600) before you start.",
            data_dir.master_key().display()
        ));
    }
    if !restored.manifest.blobs {
        print::line(
            "The backup has no bytes of files: their bucket or folder must be there still.",
        );
    }
    let url = if named { " with store.url (KIJUN_STORE_URL) set to that database" } else { "" };
    print::line(&format!("Start it{url}: kijun --data-dir {place}"));
    Ok(())
}
