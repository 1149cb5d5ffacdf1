//! What a place of shared counters is: Valkey, or a database, where several nodes draw from one
//! limit.
//!
//! A place keeps two kinds of counter. A *bucket* gives units out, and they flow back to it with
//! time. A set of *places* is held by nodes, each of which says anew, now and then, how many it
//! holds; what a node does not speak of any more is free. A place counts by its own clock, so the
//! clocks of the nodes need not agree, and it may forget: a node says with every draw what it
//! heard last, and a bucket that was lost begins from there.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use aws_lc_rs::hmac;

/// An answer that is on its way.
pub type Answering<'a> =
    Pin<Box<dyn Future<Output = Result<Vec<Answer>, SharedError>> + Send + 'a>>;

/// Where several nodes count together.
pub trait Shared: fmt::Debug + Send + Sync {
    /// Asks for several counters, each at most once, in one round trip. There is an answer to each,
    /// in their order. An error says nothing about what was done: all of it, or none.
    fn ask<'a>(&'a self, asks: &'a [Ask]) -> Answering<'a>;
}

/// Why a place did not answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SharedError {
    /// It cannot be reached, or refuses.
    #[error("the shared counters are not available: {reason}")]
    Unavailable {
        /// What it or the network says.
        reason: String,
    },
    /// What it answers makes no sense; another program may use its keys.
    #[error("the shared counters answered what cannot be read: {reason}")]
    Unreadable {
        /// What is wrong with the answer.
        reason: String,
    },
}

/// What is asked of one counter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ask {
    /// Units of a bucket.
    Draw(Draw),
    /// Places among a number of them.
    Hold(Hold),
}

/// What is answered for one counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Units of a bucket.
    Drawn(Drawn),
    /// Places.
    Held(Held),
}

/// Units that are asked of a bucket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Draw {
    /// Which bucket.
    pub key: SharedKey,
    /// How many units it holds. A bucket under another amount keeps what was taken of it.
    pub amount: u64,
    /// The microseconds in which it fills.
    pub window: u64,
    /// Units to take first, whether they are there or not; below zero: to put back.
    pub charge: i64,
    /// Units that are welcome.
    pub want: u64,
    /// Fewer than these are of no use: then none are given.
    pub at_least: u64,
    /// What this node heard last.
    pub heard: Heard,
}

/// The state of a bucket, in the time of its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Heard {
    /// When the place began to keep it. A bucket that was lost and begun anew has another.
    pub born: i64,
    /// When it would be full again.
    pub full_at: i64,
}

/// Units of a bucket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Drawn {
    /// How many are given.
    pub granted: u64,
    /// How long until the bucket is full.
    pub reset: Duration,
    /// The state to send with the next draw.
    pub heard: Heard,
}

/// Places that a node says it holds, and those it asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hold {
    /// Of which counter.
    pub key: SharedKey,
    /// How many places there are.
    pub amount: u64,
    /// How many this node holds already, in place of what it said before.
    pub held: u64,
    /// How many more are welcome.
    pub want: u64,
    /// Fewer than these are of no use: then none are given.
    pub at_least: u64,
}

/// Places.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held {
    /// How many more are given.
    pub granted: u64,
    /// How many all nodes hold now.
    pub total: u64,
    /// How many nodes hold any.
    pub holders: u64,
}

/// The name of a counter: the same on all nodes, and nothing that says whose it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SharedKey([u8; 16]);

impl fmt::Display for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedKey({self})")
    }
}

/// The secret that all nodes make the names of counters with, so that the names of users are not to
/// be read, or tried out, where the counters are.
#[derive(Clone)]
pub struct SharedSecret(hmac::Key);

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret")
    }
}

impl SharedSecret {
    /// The secret with these bytes.
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The name of the counter that these parts, in this order, tell from all others.
    pub fn key<'a>(&self, parts: impl IntoIterator<Item = &'a str>) -> SharedKey {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            // With their lengths, no two lists of parts are the same bytes.
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut key = [0; 16];
        for (byte, signed) in key.iter_mut().zip(context.sign().as_ref()) {
            *byte = *signed;
        }
        SharedKey(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_parts_and_secrets_apart_and_name_nobody() {
        let (one, other) = (SharedSecret::new(&[1; 32]), SharedSecret::new(&[2; 32]));
        let key = one.key(["limit_1", "ada"]);
        assert_eq!(key, SharedSecret::new(&[1; 32]).key(["limit_1", "ada"]));
        assert_ne!(key, other.key(["limit_1", "ada"]));
        assert_ne!(key, one.key(["limit_1a", "da"]));
        assert_ne!(key, one.key(["ada", "limit_1"]));
        assert_eq!(key.to_string().len(), 32);
        assert!(!format!("{one:?}").contains('1'));
    }
}
