//! Backups of a node that works on, restored elsewhere.

#![cfg(test)]

mod bench;
mod faults;
mod load;
mod restored;
