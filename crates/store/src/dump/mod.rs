//! All rows of a database as one stream of bytes, and back into a database of either kind.
//!
//! A dump is one state of the database, taken while nodes write to it. After a line of magic come
//! frames: a letter, the length of what follows (4 bytes, big-endian), and that. `H`, once: JSON with
//! the schema's version and every table with its columns, parents before their children. `R`: rows
//! of one table. `E`, once: JSON with the number of rows of every table. What it holds is as the
//! database holds it: what is sealed stays sealed.

mod check;
mod frame;
mod load;
mod schema;
mod snapshot;

use std::collections::BTreeMap;

pub use check::DumpCheck;
pub use load::Loader;
pub use snapshot::{BlobEntry, Released, Snapshot};

/// What a dump held.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DumpSummary {
    /// The version of the schema that it was taken from.
    pub schema_version: i64,
    /// How many rows of which table.
    pub rows: BTreeMap<String, u64>,
}

/// The tables that a dump leaves out, and why. Everything else is in it.
pub const LEFT_OUT: &[(&str, &str)] = &[
    ("node_key", "says which nodes run now"),
    ("shared_counter", "counts this minute's calls"),
    ("shared_place", "says which calls are under way now"),
    ("spend_holder", "says which processes hold money of budgets now"),
    ("spend_lease", "is what they hold of it, for calls under way"),
];
