//! When a new secret stops working, as clients say it.

use std::time::Duration;

use kernel::Timestamp;

use super::query::moment;
use crate::problem::Problem;

/// A year, OpenAI's bound.
const LONGEST: u64 = 31_536_000;

/// Either a number of seconds from now, or a moment, or never.
pub(crate) fn expiry(
    now: Timestamp,
    expires_in_seconds: Option<u64>,
    expires_at: Option<i64>,
) -> Result<Option<Timestamp>, Problem> {
    match (expires_in_seconds, expires_at) {
        (None, None) => Ok(None),
        (None, Some(secs)) => moment("expires_at", secs).map(Some),
        (Some(secs @ 1..=LONGEST), None) => Ok(Some(now.plus(Duration::from_secs(secs)))),
        (Some(_), None) => {
            let message = format!("`expires_in_seconds` must be from 1 to {LONGEST}");
            Err(Problem::invalid("expires_in_seconds", message))
        }
        (Some(_), Some(_)) => {
            let message = "give `expires_in_seconds` or `expires_at`, not both";
            Err(Problem::invalid("expires_at", message))
        }
    }
}
