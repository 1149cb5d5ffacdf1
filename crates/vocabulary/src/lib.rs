//! Token counts with OpenAI's vocabularies, the same as their `tiktoken` gives.
//!
//! May know: text and bytes. Must never do: know of models or requests, allocate what it does not
//! give back, or take more than linear time, since what it counts is a stranger's text.
//!
//! The build script lays each vocabulary out as a hash table, which is searched where it lies in
//! the binary. So nothing is loaded, and resident memory grows only by the pages that are touched:
//! at most 4 MB for `o200k_base`, 2 MB for `cl100k_base`, which the kernel may drop again.

mod class;
mod layout;
mod merge;
mod split;
mod table;

use merge::Merger;
use split::Pattern;
use table::Table;

/// A vocabulary: how a text is cut into pieces, and which bytes are tokens.
pub struct Vocabulary {
    pattern: Pattern,
    table: Table,
}

macro_rules! table {
    ($name:literal) => {
        Table::new(
            include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".slots")),
            include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".tokens")),
        )
    };
}

/// The vocabulary of GPT-4o and what came after it.
pub static O200K_BASE: Vocabulary =
    Vocabulary { pattern: Pattern::O200k, table: table!("o200k_base") };

/// The vocabulary of GPT-4, GPT-3.5 and the text embeddings.
pub static CL100K_BASE: Vocabulary =
    Vocabulary { pattern: Pattern::Cl100k, table: table!("cl100k_base") };

impl Vocabulary {
    /// Tokens of a text, in which no word is special.
    pub fn count(&self, text: &str) -> u64 {
        let mut merger = Merger::default();
        let pieces = self.pattern.pieces(text);
        pieces.map(|piece| merger.count(&self.table, piece.as_bytes())).sum()
    }
}
