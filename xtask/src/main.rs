//! The command line of the chores: `cargo xtask tidy`, `audit`, `bench`, `soak`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use xtask::{Error, audit, bench, soak, tidy};

/// Chores of the house.
#[derive(Parser)]
#[command(name = "cargo xtask")]
enum Chore {
    /// Checks what no compiler checks; prints one line per finding.
    Tidy,
    /// Checks what Kijun is built from.
    Audit,
    /// Measures Kijun beside nginx and prints a table.
    Bench(bench::Options),
    /// The benchmark's upstream.
    #[command(hide = true)]
    BenchMock(bench::mock::Options),
    /// The benchmark's load generator.
    #[command(hide = true)]
    BenchLoad(bench::load::Options),
    /// Puts mixed load on Kijun for long and shows whether memory, handles and latency are flat.
    Soak(soak::Options),
}

fn main() -> ExitCode {
    let mut out = std::io::stdout();
    let done = match Chore::parse() {
        Chore::Tidy => tidy::run(&root(), &mut out),
        Chore::Audit => audit::run(&root(), &mut out),
        Chore::Bench(options) => bench::run(&root(), &options, &mut out),
        Chore::BenchMock(options) => bench::mock::run(&options),
        Chore::BenchLoad(options) => bench::load::run(&options, &mut out),
        Chore::Soak(options) => soak::run(&root(), &options, &mut out),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => fail(&error),
    }
}

fn fail(error: &Error) -> ExitCode {
    // A closed stderr is no reason to fail in another way.
    let _ = writeln!(std::io::stderr(), "error: {error}");
    ExitCode::from(2)
}

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}
