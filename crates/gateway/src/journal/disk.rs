//! The room on the journal's disk: looked at all the time, so that a full disk is told before it
//! bites.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use serde::Deserialize;

/// Between two looks at the disk.
const LOOK: Duration = Duration::from_secs(2);
/// Free bytes that a full disk has again when it is full no more, before any record tells.
const SOME_ROOM: u64 = 64 * 1024;

/// How the journal treats a disk that fills up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JournalConfig {
    /// Free bytes below which the disk is said to be filling up.
    pub warn_free_bytes: u64,
    /// What happens when neither disk nor database takes the records of calls.
    pub when_full: WhenFull,
    /// Records that wait in memory then.
    pub held_records: usize,
    /// Bytes to which a file of the journal grows before the next one is begun.
    pub segment_bytes: u64,
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self {
            warn_free_bytes: 1024 * 1024 * 1024,
            when_full: WhenFull::Shed,
            held_records: 50_000,
            segment_bytes: 16 * 1024 * 1024,
        }
    }
}

/// What happens when the records of calls can go nowhere but into memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// Calls go on. When memory is full, too, the oldest records are counted and let go.
    Shed,
    /// Calls are refused before a record could be lost.
    Refuse,
}

/// How much room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskState {
    /// Enough.
    Roomy,
    /// Less than `warn_free_bytes`.
    FillingUp,
    /// The last record did not fit.
    Full,
}

/// The journal's disk.
#[derive(Debug)]
pub(super) struct Disk {
    folder: PathBuf,
    warn_free_bytes: u64,
    free: AtomicU64,
    size: u64,
    state: AtomicU8,
}

impl Disk {
    pub(super) fn of(folder: PathBuf, warn_free_bytes: u64) -> io::Result<Self> {
        let (free, size) = room(&folder)?;
        let disk = Self {
            folder,
            warn_free_bytes,
            free: AtomicU64::new(free),
            size,
            state: AtomicU8::new(DiskState::Roomy as u8),
        };
        disk.found(free);
        Ok(disk)
    }

    /// Free bytes at the last look.
    pub(super) fn free(&self) -> u64 {
        self.free.load(Ordering::Relaxed)
    }

    /// Bytes in all.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn state(&self) -> DiskState {
        match self.state.load(Ordering::Relaxed) {
            state if state == DiskState::Roomy as u8 => DiskState::Roomy,
            state if state == DiskState::FillingUp as u8 => DiskState::FillingUp,
            _ => DiskState::Full,
        }
    }

    /// A record did not fit.
    pub(super) fn refused(&self) {
        self.change(DiskState::Full);
    }

    /// A record fits again.
    pub(super) fn took(&self) {
        if self.state() == DiskState::Full {
            self.found(self.free());
        }
    }

    /// Looks for ever.
    pub(super) async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK).await;
            let disk = Arc::clone(&self);
            let looked = tokio::task::spawn_blocking(move || room(&disk.folder)).await;
            match looked.map_err(io::Error::other).flatten() {
                Ok((free, _)) if self.state() != DiskState::Full || free >= SOME_ROOM => {
                    self.found(free);
                }
                Ok((free, _)) => self.free.store(free, Ordering::Relaxed),
                Err(error) => tracing::warn!(%error, "the journal's disk cannot be looked at"),
            }
        }
    }

    fn found(&self, free: u64) {
        self.free.store(free, Ordering::Relaxed);
        self.change(match free < self.warn_free_bytes {
            true => DiskState::FillingUp,
            false => DiskState::Roomy,
        });
    }

    fn change(&self, state: DiskState) {
        let before = self.state.swap(state as u8, Ordering::Relaxed);
        if before == state as u8 {
            return;
        }
        let (free, folder) = (self.free(), self.folder.display());
        match state {
            DiskState::Roomy => tracing::info!(free, %folder, "there is room on the disk again"),
            DiskState::FillingUp => tracing::warn!(
                free,
                below = self.warn_free_bytes,
                %folder,
                "the disk is filling up; make room before calls cannot be recorded"
            ),
            DiskState::Full => tracing::error!(
                free, %folder,
                "the disk is full: records of calls wait in memory; make room now"
            ),
        }
    }
}

/// Bytes that are free for us, and bytes in all.
fn room(folder: &std::path::Path) -> io::Result<(u64, u64)> {
    let found = rustix::fs::statvfs(folder)?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Ok((bytes(found.f_bavail), bytes(found.f_blocks)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_fills_up_is_told_before_it_is_full() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::of(folder.path().to_owned(), 1_000).unwrap();
        assert_eq!(disk.state(), DiskState::Roomy);
        disk.found(999);
        assert_eq!(disk.state(), DiskState::FillingUp);
        disk.refused();
        assert_eq!(disk.state(), DiskState::Full);
        disk.took();
        assert_eq!(disk.state(), DiskState::FillingUp, "one record fits, but there is little room");
        disk.found(5_000);
        assert_eq!(disk.state(), DiskState::Roomy);
    }
}
