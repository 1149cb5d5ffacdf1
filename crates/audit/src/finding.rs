//! What is wrong with an audit log.

use std::fmt;

use kernel::Timestamp;

/// Something that would not be so in a log that nobody altered.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "fields are named for what they are: a place, an id, a time")]
pub enum Finding {
    /// The hash of an entry is not that of its fields.
    Edited { sequence: i64, id: String },
    /// Entries are not there.
    Missing { first: i64, last: i64 },
    /// An entry does not stand where it was written.
    OutOfOrder { sequence: i64, id: String, belongs: i64 },
    /// An entry stands at or before the place of the one before it.
    Repeated { sequence: i64, id: String },
    /// An entry was not sealed by the installation.
    Forged { sequence: i64, id: String },
    /// An entry was not made after the one that stands before it.
    Unlinked { sequence: i64, id: String },
    /// An entry is another one than when a checkpoint was signed.
    Rewritten { sequence: i64, id: String, signed_at: Timestamp },
    /// The log ends before an entry that is known to have been there.
    Truncated { last: i64, known: i64 },
    /// What the database says of the chain's end is not what its last entry says.
    WrongHead { last: i64, head: Option<i64> },
    /// A checkpoint was signed by nobody who is trusted, or altered since.
    UnsignedCheckpoint { number: usize, sequence: i64 },
    /// A checkpoint does not follow the one that stands before it.
    UnlinkedCheckpoint { number: usize, sequence: i64 },
    /// A checkpoint cannot be read.
    UnreadableCheckpoint { number: usize },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edited { sequence, id } => {
                write!(f, "entry {sequence} ({id}) was edited: its hash is another's")
            }
            Self::Missing { first, last } if first == last => {
                write!(f, "entry {first} is missing")
            }
            Self::Missing { first, last } => write!(f, "entries {first} to {last} are missing"),
            Self::OutOfOrder { sequence, id, belongs } => {
                write!(f, "entry {sequence} ({id}) was moved: it was written as entry {belongs}")
            }
            Self::Repeated { sequence, id } => {
                write!(f, "entry {sequence} ({id}) stands after an entry of that place or a later")
            }
            Self::Forged { sequence, id } => {
                write!(f, "entry {sequence} ({id}) was forged: this installation did not write it")
            }
            Self::Unlinked { sequence, id } => {
                write!(f, "entry {sequence} ({id}) was not written after the entry before it")
            }
            Self::Rewritten { sequence, id, signed_at } => write!(
                f,
                "entry {sequence} ({id}), or one before it, was rewritten after the checkpoint of \
                 {signed_at}"
            ),
            Self::Truncated { last, known } => {
                write!(f, "the end was cut off: it ends at entry {last}, but entry {known} existed")
            }
            Self::WrongHead { last, head: Some(head) } => write!(
                f,
                "the chain's head was altered: it says entry {head}, the last one is entry {last}"
            ),
            Self::WrongHead { last, head: None } => {
                write!(f, "the chain's head is missing; the last entry is {last}")
            }
            Self::UnsignedCheckpoint { number, sequence } => write!(
                f,
                "checkpoint {number} (of entry {sequence}) was signed by nobody who is trusted"
            ),
            Self::UnlinkedCheckpoint { number, sequence } => {
                write!(
                    f,
                    "checkpoint {number} (of entry {sequence}) does not follow the one before"
                )
            }
            Self::UnreadableCheckpoint { number } => {
                write!(f, "checkpoint {number} cannot be read")
            }
        }
    }
}
