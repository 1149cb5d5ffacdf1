//! Why a chore could not be done. What a chore finds is no error: it is its result.

/// Why a chore could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something could not be read, written or started.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// cargo failed, or said something that is not understood.
    #[error("cargo: {0}")]
    Cargo(String),
    /// A process of the benchmark did not do its part.
    #[error("{who}: {what}")]
    Process {
        /// Which one.
        who: String,
        /// What happened, and where to look.
        what: String,
    },
    /// A file is not as the chore needs it.
    #[error("{path}: {what}")]
    File {
        /// Which file.
        path: String,
        /// What is wrong with it, and how to mend it.
        what: String,
    },
}

impl Error {
    /// For `map_err`: an I/O error, and what was tried.
    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// A process that did not do its part.
    pub fn process(who: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Process { who: who.into(), what: what.into() }
    }
}
