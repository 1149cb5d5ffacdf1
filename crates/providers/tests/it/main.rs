//! Providers against real sockets: a scripted upstream that does what it is told, byte by byte.

#![expect(clippy::unwrap_used, clippy::panic, reason = "the upstream is part of the tests")]

mod failures;
mod pool;
mod reach;
mod streams;
mod timeouts;
mod upstream;
mod vendors;
mod whole;
