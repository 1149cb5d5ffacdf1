//! The same tests on SQLite and, where `TEST_POSTGRES_URL` names a server, on PostgreSQL.

#![cfg(test)]

mod bench;
mod catalog;
mod keys;
mod ledger;
mod lifetimes;
mod nodes;
mod opening;
mod tenants;
mod usage;
