//! Whole calls through a gateway over kijun-sim: routing, retries, fallbacks, settlement.

#![cfg(test)]

mod app;
mod handover;
mod routing;
mod settlement;
