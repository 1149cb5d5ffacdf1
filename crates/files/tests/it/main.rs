//! Files and uploads over a store in memory and blobs in a folder.

#![cfg(test)]

mod bench;
mod files;
mod sweeps;
mod uploads;
