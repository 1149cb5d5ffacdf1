//! The binary itself, as an operator meets it: started, stopped, killed, misconfigured.

#![cfg(test)]

mod audit;
mod backup;
mod batches;
mod canary;
mod copies;
mod doors;
mod hardening;
mod kill;
mod money;
mod node;
mod raw;
mod search;
mod secrets;
mod seed_usage;
mod shell;
mod socket;
mod start;
mod stop;
