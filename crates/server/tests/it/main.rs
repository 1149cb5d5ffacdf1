//! The binary itself, as an operator meets it: started, stopped, killed, misconfigured.

mod kill;
mod node;
mod shell;
mod start;
mod stop;
