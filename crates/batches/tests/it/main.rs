//! Batches in front of kijun-sim, on one node and on two.

#![cfg(test)]

mod app;
mod ends;
mod life;
mod nodes;
mod pacing;
