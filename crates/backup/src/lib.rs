//! A running node's data into one sealed file, and back, on another machine or another database.
//!
//! The file begins with two lines that anybody can read: what it is, and how its key comes about.
//! Everything behind them is sealed in chunks, so that nothing of it can be read without the
//! passphrase or the recovery key, and nothing be changed, left out, reordered or cut off unseen.
//! Inside are the master keys, the journal, the checkpoints of the audit log, all rows of the
//! database and the bytes of files: one file and its key are enough to begin again elsewhere.
//!
//! May know: the store and the files, whose rows and blobs it carries. Must never do: write an
//! unsealed byte of them, or call a file good that it has not read to its end. It reads and writes
//! its file without yielding, so it belongs into a process of its own.

mod archive;
mod contents;
mod create;
mod error;
mod folder;
mod head;
mod key;
mod output;
mod restore;
mod seal;
mod tally;
mod verify;

pub use contents::{End, Manifest};
pub use create::{ReadKeys, Source, create};
pub use error::BackupError;
pub use head::Head;
pub use key::BackupKey;
pub use output::Output;
pub use restore::{Restored, Target, restore};
pub use verify::{Verified, verify};
