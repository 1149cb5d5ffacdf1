//! The same tests on every place of shared counters: one in memory; Valkey or Redis, where a
//! `redis-server` is installed; PostgreSQL, where `TEST_POSTGRES_URL` names a server.

#![cfg(test)]

mod bench;
mod counting;
mod faults;
mod fleet;
mod limits;
mod memory;
