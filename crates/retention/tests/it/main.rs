//! Content past its time goes, and only that; and what is said of it is true.

#![cfg(test)]

mod bench;
mod proof;
mod time;
