//! The same tests on SQLite and, where `TEST_POSTGRES_URL` names a server, on PostgreSQL.

#![cfg(test)]

mod alerts;
mod audit;
mod batches;
mod bench;
mod budgets;
mod catalog;
mod chats;
mod content;
mod conversations;
mod deletions;
mod dump;
mod files;
mod keys;
mod ledger;
mod lifetimes;
mod master_keys;
mod migrations;
mod nodes;
mod older;
mod opening;
mod responses;
mod retention;
mod rollups;
mod sealing;
mod service_levels;
mod spend_leases;
mod tenants;
mod traces;
mod usage;
