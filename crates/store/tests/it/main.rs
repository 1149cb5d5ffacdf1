//! The same tests on SQLite and, where `TEST_POSTGRES_URL` names a server, on PostgreSQL.

#![cfg(test)]

mod batches;
mod bench;
mod catalog;
mod chats;
mod content;
mod conversations;
mod deletions;
mod files;
mod keys;
mod ledger;
mod lifetimes;
mod migrations;
mod nodes;
mod opening;
mod responses;
mod retention;
mod sealing;
mod tenants;
mod traces;
mod usage;
