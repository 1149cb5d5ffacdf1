//! The binary itself, as an operator meets it: started, stopped, killed, misconfigured.

#![cfg(test)]

mod batches;
mod canary;
mod kill;
mod node;
mod search;
mod shell;
mod socket;
mod start;
mod stop;
