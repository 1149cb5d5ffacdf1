//! Test doubles: a clock that tests move, randomness from a seed, and an upstream that misbehaves on
//! demand.
//!
//! May know: the kernel and sockets. Must never do: be linked into the product; it is a
//! dev-dependency only.

pub mod clock;
pub mod rng;
pub mod upstream;

pub use clock::FakeClock;
pub use rng::SeededRng;
pub use upstream::Upstream;
