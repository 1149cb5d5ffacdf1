//! The chores of the house: `cargo xtask tidy` checks what no compiler checks, `cargo xtask audit`
//! what we are built from, `cargo xtask bench` measures Kijun beside nginx, `cargo xtask soak` looks
//! whether it stays as it is for hours.
//!
//! May know: the repository's files, `cargo metadata`, the command line of `kijun`, `/proc`. Must
//! never do: link a crate of the house, be needed to build or to run Kijun, reach anything but
//! 127.0.0.1, leave a process or a temporary folder behind.

pub mod audit;
pub mod bench;
pub mod cargo;
pub mod error;
mod harness;
pub mod soak;
pub mod tidy;

pub use error::Error;
