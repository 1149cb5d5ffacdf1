//! A process of a run: started on its own CPU, watched through `/proc`, ended by its id.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Error;

/// Where a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// CPU 0: what is measured.
    Measured,
    /// CPU 1: what measures.
    Harness,
}

/// `/proc` counts CPU time in hundredths of a second on every Linux that Kijun supports.
const TICKS_PER_SECOND: f64 = 100.0;
/// How long a process may take to end by itself.
const GRACE: Duration = Duration::from_secs(10);

/// What a process holds of its machine.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Holdings {
    pub(crate) resident_bytes: u64,
    /// The part of it that no file is behind: heap and stacks.
    pub(crate) anonymous_bytes: u64,
    /// Open file descriptors.
    pub(crate) handles: u64,
    pub(crate) threads: u64,
}

/// A running process with its descendants. Dropping it ends them.
pub(crate) struct Process {
    pub(crate) child: Child,
    name: String,
    log: PathBuf,
}

impl Process {
    /// Starts a command at its place. What it says on standard error goes to a file in `folder`.
    pub(crate) fn start(name: &str, command: &mut Command, folder: &Path) -> Result<Self, Error> {
        let log = folder.join(format!("{name}.log"));
        let file = fs::File::create(&log).map_err(Error::io("create a log file"))?;
        let child = command.stderr(file).spawn().map_err(Error::io(format!("start {name}")))?;
        Ok(Self { child, name: name.to_owned(), log })
    }

    /// An error, with the last words of the process.
    pub(crate) fn error(&self, what: &str) -> Error {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines.get(lines.len().saturating_sub(10)..).unwrap_or_default().join("\n  ");
        Error::process(&self.name, format!("{what}; its last words:\n  {last}"))
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Seconds of CPU that it and its descendants have used so far.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let ticks: u64 = self.family().iter().filter_map(|stat| stat.ticks).sum();
        ticks as f64 / TICKS_PER_SECOND
    }

    /// Resident memory of it and its descendants, in megabytes.
    pub(crate) fn resident_mb(&self) -> f64 {
        let kib: u64 = self.family().iter().filter_map(|stat| resident_kib(stat.pid)).sum();
        kib as f64 * 1024.0 / 1e6
    }

    /// What it and its descendants hold now.
    pub(crate) fn holdings(&self) -> Holdings {
        let mut all = Holdings::default();
        for stat in self.family() {
            let status = fs::read_to_string(format!("/proc/{}/status", stat.pid));
            let status = status.unwrap_or_default();
            let of = |key: &str| field(&status, key).unwrap_or(0);
            all.resident_bytes += of("VmRSS:") * 1024;
            all.anonymous_bytes += of("RssAnon:") * 1024;
            all.threads += of("Threads:");
            let handles = fs::read_dir(format!("/proc/{}/fd", stat.pid));
            all.handles += handles.into_iter().flatten().count() as u64;
        }
        all
    }

    /// Asks it to end, and makes it end if it does not.
    pub(crate) fn end(&mut self) {
        if !self.is_running() {
            return;
        }
        let family = self.family();
        // A mock ends with its standard input; the others with SIGTERM.
        drop(self.child.stdin.take());
        signal("TERM", &[self.child.id()]);
        let end = Instant::now() + GRACE;
        while self.is_running() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        if self.is_running() {
            signal("KILL", &family.iter().map(|stat| stat.pid).collect::<Vec<_>>());
            let _ = self.child.wait();
        }
    }

    fn family(&self) -> Vec<Stat> {
        let all: Vec<Stat> = processes().collect();
        let mut family: Vec<Stat> = Vec::new();
        let mut parents = vec![self.child.id()];
        family.extend(all.iter().filter(|stat| stat.pid == self.child.id()));
        while let Some(parent) = parents.pop() {
            for child in all.iter().filter(|stat| stat.parent == parent) {
                parents.push(child.pid);
                family.push(*child);
            }
        }
        family
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// A command, pinned to its CPU if this machine has two and `taskset` is there.
pub(crate) fn command(program: &Path, place: Place) -> Command {
    if !pins() {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", if place == Place::Measured { "0" } else { "1" }]).arg(program);
    command
}

/// Whether processes are pinned to CPUs.
pub(crate) fn pins() -> bool {
    std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() > 1) && has("taskset")
}

/// Whether a program is there and starts.
pub(crate) fn has(program: &str) -> bool {
    let (out, err) = (Stdio::null(), Stdio::null());
    Command::new(program).arg("-V").stdout(out).stderr(err).status().is_ok_and(|s| s.success())
}

fn signal(signal: &str, pids: &[u32]) {
    let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
    // The shell's own `kill`, because a small image may have no other.
    let line = format!("kill -{signal} {}", pids.join(" "));
    let _ = Command::new("sh").args(["-c", &line]).stderr(Stdio::null()).status();
}

/// The part of `/proc/PID/stat` that is read here.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stat {
    pid: u32,
    parent: u32,
    /// In user and in kernel mode; `None` if it is no longer there.
    ticks: Option<u64>,
}

fn processes() -> impl Iterator<Item = Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        parse_stat(pid, &fs::read_to_string(entry.path().join("stat")).ok()?)
    })
}

fn parse_stat(pid: u32, stat: &str) -> Option<Stat> {
    // The second field, the name, may hold spaces and parentheses.
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
    let parent = u32::try_from(number(1)?).ok()?;
    Some(Stat {
        pid,
        parent,
        ticks: number(11).zip(number(12)).map(|(user, system)| user + system),
    })
}

fn resident_kib(pid: u32) -> Option<u64> {
    field(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmRSS:")
}

/// A number of `/proc/PID/status`; sizes are in KiB.
fn field(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_in_stat_may_hold_anything() {
        let stat = "42 (a) b (c) S 7 1 1 0 -1 4 9 0 0 0 31 11 0 0 20 0 1 0 5 6 7";
        assert_eq!(parse_stat(42, stat), Some(Stat { pid: 42, parent: 7, ticks: Some(42) }));
    }

    #[test]
    fn a_family_is_seen_and_ended() {
        let folder = tempfile::tempdir().unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", "sleep 600 & echo started >&2; wait"]);
        let mut process = Process::start("family", &mut shell, folder.path()).unwrap();
        while process.family().len() < 2 {
            assert!(process.is_running());
            std::thread::yield_now();
        }
        assert!(process.resident_mb() > 0.0);
        let holdings = process.holdings();
        assert!(holdings.resident_bytes > holdings.anonymous_bytes);
        assert!(holdings.threads >= 2 && holdings.handles >= 6);
        let sleeper = process.family()[1].pid;
        process.end();
        assert!(!process.is_running());
        signal("KILL", &[sleeper]);
    }
}
