#![cfg(test)]
//! Integration tests.

mod background;
mod chats;
mod conversations;
mod create;
mod nodes;
mod responses_app;
mod socket;
mod traces;
