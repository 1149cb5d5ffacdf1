//! What a call cost: a dated table of list prices, and exact arithmetic on it.
//!
//! The table is data (`prices.toml`), read once at start. Prices have a day from which they hold
//! and are never taken back, so the cost of an old call can be worked out again and comes out the
//! same. Money is whole nano-dollars from the file to the ledger.

mod cost;
mod date;
mod row;
mod stored;
mod table;
mod vendor;

pub use row::{LongPrompt, PriceRow, WrittenPrice};
pub use table::PriceTable;
pub use vendor::is_vendor_endpoint;

/// Why a price table could not be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// The file is no TOML, or not of the table's shape.
    #[error("the price table cannot be read: {0}")]
    Syntax(String),
    /// One row says something that is no price.
    #[error("the price of {row}: {problem}")]
    Row {
        /// Which row: provider, model and day.
        row: String,
        /// What is wrong with it, and how to mend it.
        problem: String,
    },
}
