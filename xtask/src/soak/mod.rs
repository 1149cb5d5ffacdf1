//! `cargo xtask soak`: mixed load on one node for as long as wanted, and whether memory, file
//! handles and latency stay as they are. docs/performance.md says how to read it.

mod calls;
mod client;
mod flat;
mod mix;
mod node;
mod pace;
mod report;
mod sample;
mod svg;
mod upstream;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;

use crate::harness::machine;
use crate::{Error, cargo};
use client::Client;
use mix::{Kind, Order};
use node::Node;
use pace::Tally;
use report::Report;
use sample::Sample;

/// What to run, and for how long.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// The binary that is looked at.
    #[arg(long, value_name = "FILE")]
    kijun: PathBuf,
    /// For how many minutes.
    #[arg(long, default_value_t = 15.0, value_parser = positive)]
    minutes: f64,
    /// How many calls begin in a second.
    #[arg(long, default_value_t = 150.0, value_parser = positive, value_name = "CALLS")]
    rate: f64,
    /// Runs on this PostgreSQL database, which should be an empty one, instead of SQLite.
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// Counts limits in this Redis or Valkey.
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// Only these kinds of calls, to find out which of them a figure grows by.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "KINDS")]
    only: Vec<Kind>,
    /// Where the figures, the samples and the node's log go.
    #[arg(long, default_value = "target/soak", value_name = "FOLDER")]
    out: PathBuf,
    /// Runs this program as it was built, though it is slow.
    #[arg(long)]
    unoptimised: bool,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err("give a number above 0".to_owned()),
    }
}

/// Runs, prints the tables and writes the figures. `false` if an answer was wrong, or a figure is
/// not flat.
///
/// # Errors
/// [`Error`] when the node does not start, ends early, or a file cannot be written.
pub fn run(root: &Path, options: &Options, out: &mut dyn Write) -> Result<bool, Error> {
    if cfg!(debug_assertions) && !options.unoptimised {
        return run_optimised(root);
    }
    std::fs::create_dir_all(&options.out).map_err(Error::io("make the folder of the figures"))?;
    let time = Duration::from_secs_f64(options.minutes * 60.0);
    let database = if options.postgres.is_some() { "PostgreSQL" } else { "SQLite" };
    let about = format!(
        "{} minutes at {} calls/s on {database}; {}; load average {} at the start",
        options.minutes,
        options.rate,
        machine::describe(),
        machine::load_average()
    );
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(Error::io("start the runtime"))?;
    let listener = runtime
        .block_on(TcpListener::bind(("127.0.0.1", 0)))
        .map_err(Error::io("listen as the upstream"))?;
    let port = listener.local_addr().map_err(Error::io("listen as the upstream"))?.port();
    runtime.spawn(upstream::serve(listener));

    let mut node = Node::start(options, port)?;
    let client = Arc::new(Client::new(node.port));
    let tally = Arc::new(Tally::new());
    let load = std::thread::spawn({
        let (handle, tally) = (runtime.handle().clone(), Arc::clone(&tally));
        let (rate, order) = (options.rate, Order::of(&options.only));
        move || pace::run(&handle, &client, &tally, order, rate, time)
    });
    let mut samples = Vec::new();
    let watched = watch(&mut node, &tally, time, &mut samples);
    if watched.is_err() {
        tally.stop();
    }
    let _ = load.join();
    let log = node.keep_log(&options.out)?;
    let report = Report { about, counts: tally.counts(), samples };
    report.write(&options.out)?;
    let (tables, folder) = (report.render(), options.out.display());
    write!(out, "{tables}\nThe figures are in {folder}, the node's log is {}.\n", log.display())
        .map_err(Error::io("print"))?;
    // A node that ended has a report, too: it is what it ended under.
    watched.map(|()| report.is_good())
}

/// Takes samples while the calls are made.
fn watch(
    node: &mut Node,
    tally: &Tally,
    time: Duration,
    samples: &mut Vec<Sample>,
) -> Result<(), Error> {
    let period = sample::period(time);
    let start = Instant::now();
    let mut before = (start, 0);
    for number in 1_u32.. {
        if period * number > time {
            break;
        }
        std::thread::sleep((start + period * number).saturating_duration_since(Instant::now()));
        if !node.process.is_running() {
            return Err(node.process.error("ended in the middle of the run"));
        }
        let (now, ended) = (Instant::now(), tally.ended());
        let sample = Sample {
            seconds: now.duration_since(start).as_secs_f64(),
            holdings: node.process.holdings(),
            calls_per_s: (ended - before.1) as f64 / now.duration_since(before.0).as_secs_f64(),
            disk: node.disk(),
            ..Sample::default()
        };
        samples.push(sample.with_latencies(&tally.take_latencies()));
        before = (now, ended);
    }
    Ok(())
}

/// Hands over to this program in release mode: a slow client would measure itself.
fn run_optimised(root: &Path) -> Result<bool, Error> {
    let release = cargo::build_release(root, &["xtask"])?;
    let mut command = Command::new(release.join("xtask"));
    let status = command.args(std::env::args_os().skip(1)).status();
    Ok(status.map_err(Error::io("start xtask"))?.success())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn a_binary_is_all_that_must_be_given() {
        let options = Line::parse_from(["soak", "--kijun", "k"]).options;
        assert_eq!((options.minutes, options.rate), (15.0, 150.0));
        assert_eq!(options.out, Path::new("target/soak"));
        assert!(Line::try_parse_from(["soak"]).is_err());
    }

    #[test]
    fn a_run_takes_time_and_has_a_pace() {
        let options =
            Line::parse_from(["soak", "--kijun", "k", "--minutes", "0.5", "--rate", "20"]).options;
        assert_eq!((options.minutes, options.rate), (0.5, 20.0));
        for number in ["0", "-1", "inf", "soon"] {
            assert!(Line::try_parse_from(["soak", "--kijun", "k", "--rate", number]).is_err());
        }
    }
}
