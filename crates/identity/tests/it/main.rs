//! Keys from their making to their end, over a real store.

#[cfg(test)]
mod bench;
mod bootstrap;
mod keys;
mod owners;
