//! `kijun backup`: everything into one sealed file, beside a running node.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use backup::{BackupError, BackupKey, End, Output, Source};
use clap::{Args, Subcommand};
use files::Blobs;
use secrecy::ExposeSecret as _;
use vault::PassphraseCost;

use super::{Failed, print};
use crate::app::{self, Effects};
use crate::config::{Config, Environment, read_secret_file};
use crate::data_dir::DataDir;
use crate::master_keys::KeySource;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Make a backup, also while the node runs.
    Create {
        /// The file that is made, or - for standard output.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// Leave the master keys out. Without them, nobody can open what is sealed inside.
        #[arg(long)]
        without_master_key: bool,
        /// Leave the bytes of files out, such as when their bucket is kept safe by itself.
        #[arg(long)]
        without_blobs: bool,
        #[command(flatten)]
        secret: Secret,
    },
    /// Read a backup to its end and open what is sealed inside, to see whether it can be restored.
    Verify {
        /// The backup, or - for standard input.
        file: PathBuf,
        #[command(flatten)]
        secret: Secret,
    },
    /// Print a new recovery key, to be used in the place of a passphrase. It is not kept here.
    Key,
}

/// What a backup is sealed with.
#[derive(Debug, Args)]
pub(super) struct Secret {
    /// The file with the passphrase, or with the recovery key; left out: KIJUN_BACKUP_PASSPHRASE.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl Secret {
    /// The passphrase or key itself.
    pub(super) fn read(&self, environment: &Environment) -> Result<BackupKey, Failed> {
        let text = match &self.passphrase_file {
            Some(path) => Some(
                read_secret_file(path)
                    .map_err(|error| Failed::new(format!("--passphrase-file: {error}")))?,
            ),
            None => environment.secret("KIJUN_BACKUP_PASSPHRASE")?,
        };
        let text = text.ok_or_else(|| {
            Failed::new(
                "a backup is sealed: say with what by --passphrase-file, KIJUN_BACKUP_PASSPHRASE or \
                 KIJUN_BACKUP_PASSPHRASE_FILE (a passphrase, or a key from `kijun backup key`)",
            )
        })?;
        Ok(BackupKey::parse(&text)?)
    }
}

pub(super) async fn run(
    verb: Verb,
    config: Config,
    environment: Environment,
) -> Result<(), Failed> {
    match verb {
        Verb::Create { to, without_master_key, without_blobs, secret } => {
            let key = secret.read(&environment)?;
            let mut source = source(&config, &environment)?;
            if without_master_key {
                source.master_keys = None;
            }
            if without_blobs {
                source.blobs = None;
            }
            create(source, &key, &to).await
        }
        Verb::Verify { file, secret } => {
            let key = secret.read(&environment)?;
            // Where this is another machine, there are none, and the backup's own are used anyway.
            let own = KeySource::in_data_dir(&environment, &config.server.data_dir).load().ok();
            let rng = Effects::of_system().rng;
            verified(&backup::verify(input(&file)?, &key, own.as_ref(), rng)?);
            Ok(())
        }
        Verb::Key => {
            print::line(BackupKey::generate(&*Effects::of_system().rng).expose_secret());
            Ok(())
        }
    }
}

/// The file to read.
pub(super) fn input(file: &Path) -> Result<Box<dyn BufRead>, Failed> {
    if file == Path::new("-") {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    let opened = File::open(file)
        .map_err(|error| Failed::new(format!("cannot read {}: {error}", file.display())))?;
    Ok(Box::new(BufReader::with_capacity(1 << 20, opened)))
}

fn source(config: &Config, environment: &Environment) -> Result<Source, Failed> {
    app::installation(config)?;
    let data_dir = DataDir::open(&config.server.data_dir)?;
    let Effects { clock, rng } = Effects::of_system();
    let keys = KeySource::of(environment, &data_dir);
    Ok(Source {
        database: app::store_config(config, &data_dir),
        master_keys: Some(Box::new(move || {
            keys.load().map_err(|error| BackupError::MasterKeys { reason: error.to_string() })
        })),
        blobs: Some(Blobs::open(config.blobs(environment, &data_dir)?)?),
        folders: vec![("journal", data_dir.journal()), ("audit", config.audit_folder())],
        clock,
        rng: Arc::clone(&rng),
    })
}

async fn create(source: Source, key: &BackupKey, to: &Path) -> Result<(), Failed> {
    let to_pipe = to == Path::new("-");
    let mut output = match to_pipe {
        true => Output::stream(std::io::stdout()),
        false => Output::file(to)?,
    };
    let without_keys = source.master_keys.is_none();
    let end = backup::create(source, key, PassphraseCost::DEFAULT, &mut output).await?;
    output.finish()?;
    let tell: fn(&str) = if to_pipe { print::complain } else { print::line };
    tell(&held(&end));
    if without_keys {
        tell("The master keys are not inside: keep them safe too.");
    }
    if !end.missing.is_empty() {
        return Err(Failed::new(format!(
            "the backup is made, but {} blobs are missing in the blob store whose files are not \
             deleted: {}",
            end.missing.len(),
            end.missing.join(", ")
        )));
    }
    Ok(())
}

/// What a backup held, in a few lines.
pub(super) fn held(end: &End) -> String {
    let rows: u64 = end.rows.values().sum();
    let mut text = format!(
        "{rows} rows of {} tables (schema version {}), {} blobs with {} bytes",
        end.rows.values().filter(|count| **count > 0).count(),
        end.schema_version,
        end.blobs,
        end.blob_bytes
    );
    for (folder, count) in &end.files {
        text += &format!(", {count} files of {folder}");
    }
    if !end.deleted_meanwhile.is_empty() {
        text += &format!(
            "\n{} blobs were deleted while the backup ran; their files are left out",
            end.deleted_meanwhile.len()
        );
    }
    text
}

fn verified(found: &backup::Verified) {
    let backup::Verified { head, manifest, end, values_opened, blobs_opened } = found;
    print::line(&format!("made at {} by kijun {}", head.made_at, head.kijun));
    print::line(&held(end));
    print::line(&format!(
        "{values_opened} sealed values and {blobs_opened} blobs were opened{}",
        if manifest.master_keys { "" } else { " (the master keys are not inside)" }
    ));
    print::line("It is whole.");
}
