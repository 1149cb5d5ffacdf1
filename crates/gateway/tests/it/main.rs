//! Whole calls through a gateway over kijun-sim: routing, retries, fallbacks, settlement.

mod app;
mod routing;
mod settlement;
