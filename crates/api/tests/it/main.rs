//! The HTTP edge with everything behind it, in one process: a store in memory, `kijun-sim`, and an
//! upstream that misbehaves on demand.

#![cfg(test)]

mod access;
mod administration;
mod alerts;
mod app;
mod audit_logs;
mod awkward;
mod batches;
mod budgets;
mod catalogue;
mod costs;
mod fidelity;
mod files;
mod governance;
mod hang_up;
mod junk;
mod keys;
mod metrics;
mod openapi;
mod retention;
mod service_levels;
mod stored;
mod traces;
mod usage;
