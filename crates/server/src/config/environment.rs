//! The process's environment, read once.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;

use super::ConfigError;
use super::secret::read_secret_file;

/// A copy of the environment. Its values are never printed.
#[derive(Clone)]
pub(crate) struct Environment(HashMap<String, String>);

impl Environment {
    /// The environment of this process. A value that is no UTF-8 is as good as unset.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the environment"
    )]
    pub(crate) fn of_process() -> Self {
        let vars = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Self(vars.collect())
    }

    /// A made-up environment, for tests.
    #[cfg(test)]
    pub(crate) fn of(vars: &[(&str, &str)]) -> Self {
        Self(vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    /// A variable; one that is empty is as good as unset.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The operating system's user, as the shell says it.
    pub(crate) fn user(&self) -> &str {
        let names = ["SUDO_USER", "USER", "LOGNAME"];
        names.into_iter().find_map(|name| self.get(name)).unwrap_or("unknown")
    }

    /// The names of all variables.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// A secret: `NAME` itself, or the content of the file that `NAME_FILE` names.
    ///
    /// # Errors
    /// When that file cannot be read.
    pub(crate) fn secret(&self, name: &str) -> Result<Option<SecretString>, ConfigError> {
        if let Some(value) = self.get(name) {
            return Ok(Some(value.to_owned().into()));
        }
        let Some(path) = self.get(&format!("{name}_FILE")) else { return Ok(None) };
        read_secret_file(&PathBuf::from(path)).map(Some)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Environment({} variables)", self.0.len())
    }
}
