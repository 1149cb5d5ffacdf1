//! `cargo xtask bench`: what Kijun costs, beside nginx as a plain reverse proxy and beside no
//! gateway at all. Everything runs on this machine, in one run, interleaved, because only ratios
//! taken together mean anything. docs/performance.md says how to read it.

mod budget;
mod figures;
pub mod load;
mod machine;
pub mod mock;
mod probe;
mod rounds;
mod table;
mod target;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Error, cargo};
use target::Kind;

/// What to measure.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// Rounds of one second, to see that everything works.
    #[arg(long)]
    quick: bool,
    /// How many rounds; the table shows their median.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Also measures Kijun on this PostgreSQL database, which should be an empty one.
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// Only these targets; `direct` is always measured.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "TARGETS")]
    only: Vec<Kind>,
    /// Measures this binary instead of building one.
    #[arg(long, value_name = "FILE")]
    kijun: Option<PathBuf>,
    /// Puts the table into docs/performance.md.
    #[arg(long)]
    write: bool,
}

impl Options {
    fn round(&self) -> Duration {
        Duration::from_secs(if self.quick { 1 } else { 5 })
    }

    fn builds_kijun(&self) -> bool {
        self.kijun.is_none() && (self.wants(Kind::Sqlite) || self.wants(Kind::Postgres))
    }

    fn wants(&self, kind: Kind) -> bool {
        kind == Kind::Direct || self.only.is_empty() || self.only.contains(&kind)
    }
}

/// The binaries of a run.
struct Binaries {
    /// This program, in release mode: the mock upstream and the load generator.
    xtask: PathBuf,
    kijun: PathBuf,
}

/// Measures, prints the table, and writes it where asked. `false` if a call failed.
///
/// # Errors
/// [`Error`] when a target does not start or a process does not do its part.
pub fn run(root: &Path, options: &Options, out: &mut dyn Write) -> Result<bool, Error> {
    let mut packages = vec!["xtask"];
    if options.builds_kijun() {
        packages.push("kijun-server");
    }
    let release = cargo::build_release(root, &packages)?;
    let kijun = options.kijun.clone().unwrap_or_else(|| release.join("kijun"));
    let binaries = Binaries { xtask: release.join("xtask"), kijun };
    let machine = machine::describe();
    let measured = rounds::measure(&binaries, options)?;
    let table = table::render(&measured, &machine);
    write!(out, "{table}").map_err(Error::io("print"))?;
    if options.write {
        table::put(&root.join("docs/performance.md"), &table)?;
    }
    Ok(measured.iter().all(|target| target.errors == 0))
}
