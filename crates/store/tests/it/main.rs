//! The same tests on SQLite and, where `TEST_POSTGRES_URL` names a server, on PostgreSQL.

#![cfg(test)]

mod bench;
mod catalog;
mod keys;
mod ledger;
mod opening;
mod speed;
mod tenants;
mod usage;
