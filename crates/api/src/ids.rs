//! Ids and names in a path.

use axum::extract::{FromRequestParts, Path, RawPathParams};
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::App;
use crate::problem::Problem;

/// The parameters of the path, free of characters that no id or name has.
pub(crate) struct Ids<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Ids<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let raw = RawPathParams::from_request_parts(parts, app)
            .await
            .map_err(|_| Problem::invalid("path", "the path is not percent-encoded UTF-8"))?;
        for (name, value) in &raw {
            if value.chars().any(char::is_control) {
                let message =
                    format!("`{name}` holds a control character, which no id or name has");
                return Err(Problem::new(404, "invalid_request_error", Some("not_found"), message));
            }
        }
        let Path(ids) = Path::from_request_parts(parts, app)
            .await
            .map_err(|error| Problem::invalid("path", error.body_text()))?;
        Ok(Self(ids))
    }
}
