//! What callers of the store branch on.

use sqlx::error::DatabaseError;
use vault::VaultError;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database does not answer, or not as a working database does.
    #[error("the database is not available: {reason}")]
    Unavailable {
        /// What the driver or the operating system said.
        reason: String,
    },
    /// The setting that names the database is no URL that Kijun can use.
    #[error(
        "the database URL is not usable: {reason}; write sqlite:///path/to/kijun.db or \
         postgres://user:password@host/database"
    )]
    InvalidUrl {
        /// What is wrong with it; never the URL itself, which may hold a password.
        reason: String,
    },
    /// There is no such row in the caller's scope.
    #[error("there is no {what} `{id}` here")]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// Its id or name.
        id: String,
    },
    /// The change contradicts what is there.
    #[error("{what} `{id}` {reason}")]
    Conflict {
        /// What the change was for.
        what: &'static str,
        /// Its id or name.
        id: String,
        /// What stands against it, and how to go on.
        reason: String,
    },
    /// An organisation keeps one of these, and this is the last that works.
    #[error("{what} `{id}` is the last one of its organisation that works; make another one first")]
    LastOne {
        /// What it is.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// A value that no row may have.
    #[error("{what} {reason}")]
    Invalid {
        /// Which value.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A project's caller asked for what belongs to the whole organisation.
    #[error("{what} belong to the whole organisation; use an admin key of the organisation")]
    OutOfScope {
        /// What was asked for.
        what: &'static str,
    },
    /// Somebody who is not named would change what is audited.
    #[error(
        "this change names nobody who makes it, so it is not made; please report this as a bug"
    )]
    Unattributed,
    /// The entry that tells of a change cannot be written, so the change is not made either.
    #[error(
        "the change was not made, because its entry in the audit log cannot be written: {reason}; \
         mend the database's audit tables, or make room on its disk, and try again"
    )]
    NotLogged {
        /// What the database said.
        reason: String,
    },
    /// A newer Kijun has worked on this database.
    #[error(
        "the database has schema version {found}, but this Kijun knows versions up to {known}; \
         start the newer Kijun, or restore the backup from before the upgrade"
    )]
    NewerDatabase {
        /// The database's version.
        found: i64,
        /// The newest version that this binary knows.
        known: i64,
    },
    /// The database was made with another master key.
    #[error(
        "this database was made with another master key ({source}); start with the key file or \
         environment that it was made with"
    )]
    WrongMasterKey {
        /// Which key it was, and which is here.
        source: VaultError,
    },
    /// A sealed column could not be sealed or opened.
    #[error("{what}: {source}")]
    Sealed {
        /// The table, column and row.
        what: String,
        /// Why not.
        source: VaultError,
    },
    /// The database answers, and takes no such value.
    #[error("the database refuses a value: {reason}")]
    Refused {
        /// What the database said.
        reason: String,
    },
    /// A record of a call that the database will never take; those beside it it may.
    #[error("the record of call `{id}` cannot be stored: {reason}; put it aside and go on")]
    Unstorable {
        /// The call.
        id: kernel::RequestId,
        /// What the database said.
        reason: String,
    },
    /// A row that this Kijun did not write, or that was damaged.
    #[error("column `{column}` cannot be read: {reason}; restore the row from a backup")]
    Unreadable {
        /// The column.
        column: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The reason of [`StoreError::Unavailable`] where the database answers, and has no room to write.
const FULL: &str = "its disk is full, so it cannot write; make room there";

impl StoreError {
    /// The database answers, and has no room to write.
    pub fn full() -> Self {
        Self::Unavailable { reason: FULL.into() }
    }

    /// Whether it is [`StoreError::full`].
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Unavailable { reason } if reason == FULL)
    }

    pub(crate) fn not_found(what: &'static str, id: &str) -> Self {
        Self::NotFound { what, id: id.into() }
    }

    pub(crate) fn conflict(what: &'static str, id: &str, reason: impl Into<String>) -> Self {
        Self::Conflict { what, id: id.into(), reason: reason.into() }
    }

    pub(crate) fn invalid(what: &'static str, reason: impl Into<String>) -> Self {
        Self::Invalid { what, reason: reason.into() }
    }

    /// For what is written of a change in the audit log. A database that goes away meanwhile, or
    /// that somebody else keeps busy, is away as ever.
    pub(crate) fn not_logged(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error)
                if !is_away(error.as_ref()) && !has_no_room(error.as_ref()) =>
            {
                Self::NotLogged { reason: error.message().into() }
            }
            error => error.into(),
        }
    }

    /// For an insert that may meet a row with the same key.
    pub(crate) fn unless_duplicate(error: sqlx::Error, duplicate: impl FnOnce() -> Self) -> Self {
        match error {
            sqlx::Error::Database(error) if error.is_unique_violation() => duplicate(),
            error => error.into(),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::ColumnDecode { index, source } => {
                Self::Unreadable { column: index, reason: source.to_string() }
            }
            sqlx::Error::PoolTimedOut => Self::Unavailable {
                reason: "no connection became free in time; check that the database runs and can \
                         be reached, or raise its number of connections"
                    .into(),
            },
            sqlx::Error::Database(error) if has_no_room(error.as_ref()) => Self::full(),
            // The message alone: a database's detail may quote values.
            sqlx::Error::Database(error) if refuses_value(error.as_ref()) => {
                Self::Refused { reason: error.message().into() }
            }
            sqlx::Error::Database(error) => Self::Unavailable { reason: error.message().into() },
            error => Self::Unavailable { reason: error.to_string() },
        }
    }
}

/// Whether the same statement fails however often it is tried. Any other trouble, such as a full
/// disk, is the database's and not the value's.
fn refuses_value(error: &dyn DatabaseError) -> bool {
    let Some(code) = error.code() else { return false };
    // SQLite's codes are numbers: too big, constraint, mismatch, in the lowest byte. PostgreSQL's
    // have five characters, of which two are the class: data exception, integrity, limits.
    match code.parse::<u32>() {
        Ok(number) if code.len() < 5 => matches!(number & 0xff, 18..=20),
        _ => ["22", "23", "54"].iter().any(|class| code.starts_with(class)),
    }
}

/// Whether the database refuses everything for the moment. SQLite: busy, locked. PostgreSQL:
/// connection, rollback of what met somebody else's, locks, an operator's hand.
fn is_away(error: &dyn DatabaseError) -> bool {
    let Some(code) = error.code() else { return false };
    match code.parse::<u32>() {
        Ok(number) if code.len() < 5 => matches!(number & 0xff, 5 | 6),
        _ => ["08", "40", "55", "57"].iter().any(|class| code.starts_with(class)),
    }
}

/// Whether there is no room to write. SQLite: full. PostgreSQL: disk full.
fn has_no_room(error: &dyn DatabaseError) -> bool {
    error.code().is_some_and(|code| match code.parse::<u32>() {
        Ok(number) if code.len() < 5 => number & 0xff == 13,
        _ => code == "53100",
    })
}
