//! What the operating system says of this process: Linux's `/proc`.

use std::fs;

/// Ticks of processor time in a second, as Linux counts them for programs on every machine that
/// Rust has good support for.
const TICKS_PER_SECOND: f64 = 100.0;

/// How the process is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Process {
    pub(crate) cpu_seconds: f64,
    pub(crate) resident_bytes: u64,
    pub(crate) virtual_bytes: u64,
    pub(crate) threads: u64,
    pub(crate) open_files: u64,
    /// `None`: as many as it likes.
    pub(crate) max_files: Option<u64>,
}

impl Process {
    /// This process, now; `None` on systems without `/proc`.
    pub(crate) fn read() -> Option<Self> {
        let text = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).ok();
        let mut process = Self::parse(&text("stat")?, &text("status")?, &text("limits")?)?;
        // The folder itself is open while it is read.
        process.open_files = (fs::read_dir("/proc/self/fd").ok()?.count() as u64).saturating_sub(1);
        Some(process)
    }

    fn parse(stat: &str, status: &str, limits: &str) -> Option<Self> {
        // The program's name, in parentheses, may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
        // Fields 14 and 15 of proc_pid_stat(5); the first after the name is the third.
        let ticks = ticks(11)? + ticks(12)?;
        Some(Self {
            cpu_seconds: ticks as f64 / TICKS_PER_SECOND,
            resident_bytes: number(status, "VmRSS:")? * 1024,
            virtual_bytes: number(status, "VmSize:")? * 1024,
            threads: number(status, "Threads:")?,
            open_files: 0,
            max_files: number(limits, "Max open files"),
        })
    }
}

/// The first number after a line's heading.
fn number(text: &str, heading: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(heading))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "42 (a) b (c)) S 1 42 42 0 -1 4194304 900 0 2 0 150 50 0 0 20 0 7 0 99 1 2";
    const STATUS: &str = "Name:\tx\nVmSize:\t  2048 kB\nVmRSS:\t  1024 kB\nThreads:\t7\n";
    const LIMITS: &str = "Limit   Soft  Hard  Units\nMax open files            1024                 4096                 files\n";

    #[test]
    fn a_process_is_read() {
        let process = Process::parse(STAT, STATUS, LIMITS).unwrap();
        let wanted = Process {
            cpu_seconds: 2.0,
            resident_bytes: 1 << 20,
            virtual_bytes: 2 << 20,
            threads: 7,
            open_files: 0,
            max_files: Some(1024),
        };
        assert_eq!(process, wanted);
        let unlimited = LIMITS.replace("1024", "unlimited");
        assert_eq!(Process::parse(STAT, STATUS, &unlimited).unwrap().max_files, None);
        assert_eq!(Process::parse("", STATUS, LIMITS), None);
    }

    #[test]
    fn this_process_has_files_and_memory() {
        let Some(process) = Process::read() else { return };
        assert!(process.resident_bytes > 1 << 20 && process.open_files >= 3, "{process:?}");
        assert!(process.virtual_bytes >= process.resident_bytes);
    }
}
