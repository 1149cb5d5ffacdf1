//! The run: every target is started and stays up; rounds go round the targets, so that whatever
//! else this machine does falls on all of them.

use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::figures::{CASES, Case, Target};
use super::load::Report;
use super::probe::{self, MockEvents};
use super::target::{self, KEY, KINDS, Kind, Recipe};
use super::{Binaries, Options};
use crate::Error;
use crate::harness::process::{self, Place, Process};

const STARTS: usize = 5;
const HANG_UPS: usize = 5;
const WARM_UP: Duration = Duration::from_millis(500);
/// Work that a gateway puts off, such as moving its journal to the database, belongs to its calls.
const AFTERWARDS: Duration = Duration::from_millis(500);

/// A target while it runs.
struct Running {
    figures: Target,
    port: u16,
    // Before the recipe, so that the process ends before its folder goes.
    process: Option<Process>,
    _recipe: Recipe,
}

/// Measures every target that is asked for and here.
pub(super) fn measure(binaries: &Binaries, options: &Options) -> Result<Vec<Target>, Error> {
    let folder = tempfile::tempdir().map_err(Error::io("create a temporary folder"))?;
    let (mut mock, upstream) = target::mock(binaries, folder.path())?;
    let stdout = mock.child.stdout.take().ok_or_else(|| mock.error("has no output"))?;
    let events = MockEvents::of(stdout);
    probe::first_answer(upstream, &mut mock, Instant::now())?;

    let mut running = Vec::new();
    for kind in KINDS.into_iter().filter(|kind| kind.is_here(options)) {
        running.push(start(Recipe::new(kind, upstream, binaries, options)?)?);
    }
    for target in &mut running {
        target.hang_up(&events)?;
    }
    // What connections and starting up left behind is not idle memory yet.
    std::thread::sleep(AFTERWARDS);
    for target in &mut running {
        target.figures.idle_mb.extend(target.process.as_ref().map(Process::resident_mb));
    }
    for round in 0..=options.rounds {
        let time = if round == 0 { WARM_UP } else { options.round() };
        for (number, case) in CASES.iter().enumerate() {
            for target in &mut running {
                let (report, cpu_s, busy_mb) = target.load(binaries, *case, time)?;
                if round > 0 || report.errors > 0 {
                    target.figures.note(number, &report, cpu_s);
                    target.figures.busy_mb.extend(busy_mb);
                }
            }
        }
    }
    Ok(running.into_iter().map(|target| target.figures).collect())
}

/// Starts a target a few times and lets the last start run.
fn start(mut recipe: Recipe) -> Result<Running, Error> {
    let mut figures = Target::new(recipe.kind);
    let mut process = None;
    let starts = if recipe.kind == Kind::Direct { 1 } else { STARTS };
    for _ in 0..starts {
        // One ends before the next begins: they share a port and a folder.
        drop(process.take());
        let started = Instant::now();
        process = recipe.start()?;
        if let Some(process) = &mut process {
            let time = probe::first_answer(recipe.port, process, started)?;
            figures.start_s.push(time.as_secs_f64());
        }
    }
    Ok(Running { figures, port: recipe.port, process, _recipe: recipe })
}

impl Running {
    fn hang_up(&mut self, events: &MockEvents) -> Result<(), Error> {
        let seconds =
            |time: Option<Duration>| time.map_or(f64::INFINITY, |time| time.as_secs_f64());
        for _ in 0..HANG_UPS {
            let time = probe::hang_up(self.port, true, events)?;
            self.figures.hang_up_stream_s.push(seconds(time));
            let time = probe::hang_up(self.port, false, events)?;
            self.figures.hang_up_whole_s.push(seconds(time));
        }
        Ok(())
    }

    /// One round: the report, the gateway's CPU seconds, its largest memory.
    fn load(
        &self,
        binaries: &Binaries,
        case: Case,
        time: Duration,
    ) -> Result<(Report, Option<f64>, Option<f64>), Error> {
        let cpu = || self.process.as_ref().map(Process::cpu_seconds);
        let before = cpu();
        let (report, busy_mb) = self.generate(binaries, case, time)?;
        std::thread::sleep(AFTERWARDS);
        let cpu_s = before.zip(cpu()).map(|(before, after)| after - before);
        Ok((report, cpu_s, busy_mb))
    }

    fn generate(
        &self,
        binaries: &Binaries,
        case: Case,
        time: Duration,
    ) -> Result<(Report, Option<f64>), Error> {
        let folder = tempfile::tempdir().map_err(Error::io("create a temporary folder"))?;
        let mut command = process::command(&binaries.xtask, Place::Harness);
        command.args(["bench-load", "--port", &self.port.to_string()]);
        command.args(["--connections", &case.connections.to_string()]);
        command.args(["--millis", &time.as_millis().to_string(), "--key", KEY]);
        command.args(case.stream.then_some("--stream")).stdout(Stdio::piped());
        command.args(case.rate.map(|rate| format!("--rate={rate}")));
        let mut load = Process::start("load", &mut command, folder.path())?;

        let end = Instant::now() + time + Duration::from_secs(20);
        let mut largest: Option<f64> = None;
        while load.is_running() {
            if Instant::now() > end {
                return Err(load.error("did not end in time"));
            }
            std::thread::sleep(Duration::from_millis(100));
            let now = self.process.as_ref().map(Process::resident_mb);
            largest = now.map(|now| largest.map_or(now, |largest| largest.max(now)));
        }
        let mut said = String::new();
        if let Some(stdout) = &mut load.child.stdout {
            stdout.read_to_string(&mut said).map_err(Error::io("read the load's report"))?;
        }
        let report = serde_json::from_str(&said)
            .map_err(|error| load.error(&format!("gave no report ({error})")))?;
        Ok((report, largest))
    }
}
