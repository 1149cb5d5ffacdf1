//! The chain of the audit log: what an entry's canonical bytes are, how each entry's hash binds the
//! one before it, and the signed checkpoints that are kept outside the database.
//!
//! [`Link`] is an entry in its chain, [`Checkpoint`] what is signed of a chain's end, [`Verifier`]
//! finds what was altered since.
//!
//! May know: the kernel. Must never do: I/O, SQL, know a clock.

mod canonical;
mod checkpoint;
mod entry;
mod finding;
mod hex;
#[cfg(test)]
mod tests;
mod verify;

pub use checkpoint::{Checkpoint, Head, SigningKey};
pub use entry::{By, Entry, INSTALLATION, Link, SealKey};
pub use finding::Finding;
pub use hex::{Digest, Hex, NotHex, PublicKey, Signature};
pub use verify::{Report, Verifier, Witness};
