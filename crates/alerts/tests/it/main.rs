//! What is told, to whom, how often; and its way to them over real sockets.

#![cfg(test)]

mod bench;
mod budgets;
mod log;
mod mail;
mod mail_server;
mod posts;
mod receiver;
mod service;
mod spending;
mod webhooks;
