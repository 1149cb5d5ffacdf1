//! The binary itself, as an operator meets it: started, stopped, killed, misconfigured.

#![cfg(test)]

mod kill;
mod node;
mod shell;
mod start;
mod stop;
