//! Why a call may not pass: always the rule, its scope, and what would make the call pass.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use kernel::limit::{Limit, LimitMeasure, LimitScope};
use kernel::{LimitId, ProjectId};

use crate::limiter::{RateLimitHeaders, Subject, duration_text};
use crate::spending::BudgetReached;

/// Why a call may not pass.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// A limit is used up for now; the call may pass later.
    #[error(transparent)]
    LimitReached(#[from] Box<LimitReached>),
    /// The call asks for more than a limit ever allows at once.
    #[error(transparent)]
    TooLarge(#[from] Box<TooLarge>),
    /// A budget cannot bear the call.
    #[error(transparent)]
    BudgetReached(#[from] Box<BudgetReached>),
    /// A hard budget holds the call, and nobody knows what it costs.
    #[error(
        "Model `{}` has no price, and a hard budget holds this call. An administrator can give the \
         model a price, or let such calls pass.",
        shown(model)
    )]
    Unpriced {
        /// The alias that was asked for.
        model: String,
    },
    /// The project may not use the model.
    #[error(
        "Project `{project}` does not have access to model `{}`. An administrator can change the \
         project's list of models.",
        shown(model)
    )]
    ModelNotAllowed {
        /// The project.
        project: ProjectId,
        /// The alias that was asked for.
        model: String,
    },
}

impl Refusal {
    /// The machine-readable code, as OpenAI's API has it.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::LimitReached(_) | Self::TooLarge(_) => "rate_limit_exceeded",
            Self::BudgetReached(_) | Self::Unpriced { .. } => "insufficient_quota",
            Self::ModelNotAllowed { .. } => "model_not_found",
        }
    }

    /// How long to wait before the call may pass; `None` where waiting does not help.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::LimitReached(reached) => Some(reached.retry_after),
            Self::BudgetReached(reached) => reached.retry_after,
            Self::TooLarge(_) | Self::Unpriced { .. } | Self::ModelNotAllowed { .. } => None,
        }
    }
}

impl From<LimitReached> for Refusal {
    fn from(reached: LimitReached) -> Self {
        Self::LimitReached(Box::new(reached))
    }
}

impl From<TooLarge> for Refusal {
    fn from(too_large: TooLarge) -> Self {
        Self::TooLarge(Box::new(too_large))
    }
}

/// A limit that is used up for now.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "Rate limit reached for {} {} on {}: limit {amount}, used {used}{}. {}.",
    shown(model),
    place(*scope, subject.as_deref()),
    measured(*measure),
    Requested(*measure, *requested),
    Retry(*measure, *retry_after)
)]
pub struct LimitReached {
    /// The limit.
    pub limit: LimitId,
    /// What it counts.
    pub measure: LimitMeasure,
    /// Whose calls it counts together.
    pub scope: LimitScope,
    /// Which one of that scope; `None` for an end user, whose name belongs in no log.
    pub subject: Option<String>,
    /// The model alias of the call.
    pub model: String,
    /// How many are allowed.
    pub amount: u64,
    /// How many are taken.
    pub used: u64,
    /// How many the call needed.
    pub requested: u64,
    /// How long until there are enough, if nobody else takes them.
    pub retry_after: Duration,
    /// What is left of this caller's limits.
    pub headers: RateLimitHeaders,
}

impl LimitReached {
    pub(crate) fn new(
        limit: &Limit,
        subject: &Subject<'_>,
        used: u64,
        requested: u64,
        retry_after: Duration,
        headers: RateLimitHeaders,
    ) -> Self {
        Self {
            limit: limit.id.clone(),
            measure: limit.measure,
            scope: limit.scope,
            subject: told(limit.scope, subject),
            model: subject.model.to_owned(),
            amount: limit.amount,
            used,
            requested,
            retry_after,
            headers,
        }
    }
}

/// A call that asks for more than a limit ever allows at once.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "Request too large for {} {} on {}: limit {amount}, requested {requested}. {}.",
    shown(model),
    place(*scope, subject.as_deref()),
    measured(*measure),
    smaller(*measure)
)]
pub struct TooLarge {
    /// The limit.
    pub limit: LimitId,
    /// What it counts.
    pub measure: LimitMeasure,
    /// Whose calls it counts together.
    pub scope: LimitScope,
    /// Which one of that scope; `None` for an end user, whose name belongs in no log.
    pub subject: Option<String>,
    /// The model alias of the call.
    pub model: String,
    /// How many are allowed.
    pub amount: u64,
    /// How many the call needs.
    pub requested: u64,
}

impl TooLarge {
    pub(crate) fn new(limit: &Limit, subject: &Subject<'_>, requested: u64) -> Self {
        Self {
            limit: limit.id.clone(),
            measure: limit.measure,
            scope: limit.scope,
            subject: told(limit.scope, subject),
            model: subject.model.to_owned(),
            amount: limit.amount,
            requested,
        }
    }
}

pub(crate) fn told(scope: LimitScope, subject: &Subject<'_>) -> Option<String> {
    if scope == LimitScope::User { None } else { subject.name(scope).map(str::to_owned) }
}

/// A model's name as an error shows it: clients send names of any length.
fn shown(model: &str) -> Cow<'_, str> {
    match model.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", model.get(..end).unwrap_or_default()).into(),
        None => model.into(),
    }
}

pub(crate) fn place(scope: LimitScope, subject: Option<&str>) -> String {
    match (scope, subject) {
        (LimitScope::Organization, Some(id)) => format!("in organization {id}"),
        (LimitScope::Project, Some(id)) => format!("in project {id}"),
        (LimitScope::Key, Some(id)) => format!("with key {id}"),
        (LimitScope::Model, _) => "for all callers together".to_owned(),
        (LimitScope::User, _) => "for the end user named by the request".to_owned(),
        (scope, None) => format!("in this {scope}"),
    }
}

fn measured(measure: LimitMeasure) -> String {
    let name = measure.as_str();
    format!("{} ({name})", name.replace('_', " "))
}

fn smaller(measure: LimitMeasure) -> &'static str {
    match measure {
        LimitMeasure::TokensPerMinute | LimitMeasure::TokensPerDay => {
            "Shorten the input, ask for fewer output tokens, or have the limit raised"
        }
        _ => "The limit allows none at all; have it raised",
    }
}

/// What one call asked for, where that is not simply one.
struct Requested(LimitMeasure, u64);

impl fmt::Display for Requested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            LimitMeasure::TokensPerMinute | LimitMeasure::TokensPerDay => {
                write!(f, ", requested {}", self.1)
            }
            _ => Ok(()),
        }
    }
}

struct Retry(LimitMeasure, Duration);

impl fmt::Display for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            LimitMeasure::ConcurrentCalls => f.write_str("Try again when another call has ended"),
            _ => write!(f, "Try again in {}", duration_text(self.1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(measure: LimitMeasure, scope: LimitScope, subject: Option<&str>) -> Refusal {
        let requested = if measure == LimitMeasure::TokensPerMinute { 900 } else { 1 };
        LimitReached {
            limit: "limit_1".into(),
            measure,
            scope,
            subject: subject.map(Into::into),
            model: "gpt-4o-mini".into(),
            amount: 60,
            used: 60,
            requested,
            retry_after: Duration::from_millis(1_200),
            headers: RateLimitHeaders::default(),
        }
        .into()
    }

    #[test]
    fn a_refusal_says_which_rule_where_and_when() {
        let cases = [
            (
                reached(LimitMeasure::RequestsPerMinute, LimitScope::Project, Some("proj_1")),
                "Rate limit reached for gpt-4o-mini in project proj_1 on requests per minute \
                 (requests_per_minute): limit 60, used 60. Try again in 1.2s.",
            ),
            (
                reached(LimitMeasure::TokensPerMinute, LimitScope::User, None),
                "Rate limit reached for gpt-4o-mini for the end user named by the request on \
                 tokens per minute (tokens_per_minute): limit 60, used 60, requested 900. Try \
                 again in 1.2s.",
            ),
            (
                reached(LimitMeasure::ConcurrentCalls, LimitScope::Key, Some("key_1")),
                "Rate limit reached for gpt-4o-mini with key key_1 on concurrent calls \
                 (concurrent_calls): limit 60, used 60. Try again when another call has ended.",
            ),
        ];
        for (refusal, text) in cases {
            assert_eq!(refusal.to_string(), text);
            assert_eq!(refusal.code(), "rate_limit_exceeded");
        }
    }

    #[test]
    fn a_long_model_name_is_cut() {
        let refusal =
            Refusal::ModelNotAllowed { project: "proj_1".into(), model: "é".repeat(5_000) };
        let text = refusal.to_string();
        assert!(text.contains(&format!("model `{}…`", "é".repeat(100))), "{text}");
        assert_eq!(refusal.code(), "model_not_found");
    }
}
