//! The HTTP edge with everything behind it, in one process: a store in memory, `kijun-sim`, and an
//! upstream that misbehaves on demand.

#![cfg(test)]

mod access;
mod administration;
mod app;
mod awkward;
mod batches;
mod catalogue;
mod fidelity;
mod files;
mod governance;
mod hang_up;
mod junk;
mod keys;
mod openapi;
mod retention;
mod stored;
mod traces;
mod usage;
