//! `/v1/organization/limits`: Kijun's own.

pub(super) mod change;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod list;

use admission::LimitError;
use kernel::limit::Limit;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::list::Listed;
use crate::App;
use crate::problem::Problem;

/// A limit on requests, tokens or concurrent calls.
#[derive(Serialize, ToSchema)]
pub(crate) struct UsageLimit {
    /// Always `organization.limit`.
    object: &'static str,
    /// Its id.
    id: String,
    /// Whose calls are counted together.
    scope: LimitScope,
    /// Only this one of the scope; null: each one, counted apart.
    #[schema(required)]
    subject: Option<String>,
    /// Only calls of this model; null: of all together.
    #[schema(required)]
    model: Option<String>,
    /// What is counted.
    measure: LimitMeasure,
    /// How many are allowed.
    amount: u64,
    /// Where it is written down: `file` or `database`.
    source: &'static str,
}

/// The kernel's words, as the OpenAPI document has them.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident: $($word:ident),+) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub(crate) enum $name {
            $($word),+
        }

        impl From<kernel::limit::$name> for $name {
            fn from(word: kernel::limit::$name) -> Self {
                match word {
                    $(kernel::limit::$name::$word => Self::$word),+
                }
            }
        }

        impl From<$name> for kernel::limit::$name {
            fn from(word: $name) -> Self {
                match word {
                    $($name::$word => Self::$word),+
                }
            }
        }
    };
}

words!(
    /// Whose calls are counted together.
    LimitScope: Organization, Project, Key, User, Model
);
words!(
    /// What a limit counts.
    LimitMeasure: RequestsPerMinute, RequestsPerDay, TokensPerMinute, TokensPerDay, ConcurrentCalls
);

impl UsageLimit {
    fn new(limit: Limit, source: &'static str) -> Self {
        Self {
            object: "organization.limit",
            id: limit.id.to_string(),
            scope: limit.scope.into(),
            subject: limit.subject,
            model: limit.model,
            measure: limit.measure.into(),
            amount: limit.amount,
            source,
        }
    }
}

/// Refuses to touch a limit that stands in the configuration file.
fn not_of_the_file(app: &App, limit: &str) -> Result<(), Problem> {
    if app.gateway.file_limits().iter().all(|other| other.id.as_str() != limit) {
        return Ok(());
    }
    let message = format!("limit `{limit}` is defined in the configuration file; change it there");
    Err(Problem::new(409, "invalid_request_error", Some("defined_elsewhere"), message))
}

impl Listed for UsageLimit {
    fn id(&self) -> &str {
        &self.id
    }
}

impl From<LimitError> for Problem {
    fn from(error: LimitError) -> Self {
        match error {
            LimitError::Invalid { field, .. } => Self::invalid(field, error.to_string()),
            LimitError::Store(error) => error.into(),
        }
    }
}
