//! Why there are no shared counters to be had.

/// What is wrong with the configuration of shared counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CountersError {
    /// The place is no URL of a Valkey or Redis.
    #[error(
        "counters.place is not usable: write redis://user:password@host:6379/0, rediss:// for TLS, \
         `database`, or `none`"
    )]
    InvalidUrl,
    /// Nodes cannot count together in SQLite.
    #[error(
        "counters.place is `database`, but the database is SQLite, which no other node uses; set \
         store.url to a PostgreSQL, or counters.place to a Valkey"
    )]
    NotShared,
    /// A number that makes no sense.
    #[error("{key} must be between 1 and {most}")]
    OutOfRange {
        /// Which one.
        key: &'static str,
        /// The largest that does.
        most: u64,
    },
}
