//! JSON bodies of fixed form: read whole, checked, and refused with the field that is wrong.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::nearest::did_you_mean;
use crate::problem::Problem;
use crate::{App, body};

/// What the client sent. No body is taken for an empty object.
pub(crate) struct Sent<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Sent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request<Body>, app: &App) -> Result<Self, Problem> {
        let (parts, incoming) = request.into_parts();
        let bytes = body::read(app, &parts.headers, incoming).await?;
        if bytes.is_empty() {
            return parse(Value::Object(serde_json::Map::new())).map(Self);
        }
        check_type(&parts.headers)?;
        read(&bytes).map(Self)
    }
}

/// A JSON object of this form.
pub(super) fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, Problem> {
    let value: Value = serde_json::from_slice(json)
        .map_err(|error| wrong(None, format!("the body is no valid JSON: {error}")))?;
    if !value.is_object() {
        return Err(wrong(None, "the body must be a JSON object"));
    }
    if holds_nul(&value) {
        let message = "the body holds a NUL character, which no text here may have";
        return Err(wrong(None, message));
    }
    parse(value)
}

fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") || kind.ends_with("+json") {
        return Ok(());
    }
    let message = "the body must be JSON; send it with Content-Type: application/json";
    Err(Problem::new(415, "invalid_request_error", None, message))
}

fn parse<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let said = error.inner().to_string();
        // serde's path ends above a field that is unknown or missing; its message names it.
        let mut quoted = said.split('`').skip(1).step_by(2);
        let field = quoted.next();
        match field {
            Some(field) if said.starts_with("unknown field") => {
                let hint = did_you_mean(field, quoted);
                let place = below(&path, field);
                wrong(Some(&place), format!("unknown field `{place}`{hint}"))
            }
            Some(field) if said.starts_with("missing field") => {
                let place = below(&path, field);
                wrong(Some(&place), format!("`{place}` is missing"))
            }
            _ if path == "." => wrong(None, said),
            _ => wrong(Some(&path), format!("`{path}`: {said}")),
        }
    })
}

/// Where a field stands. Its path may already end with it.
fn below(path: &str, field: &str) -> String {
    match path.rsplit('.').next() {
        _ if path == "." => field.to_owned(),
        Some(last) if last == field => path.to_owned(),
        _ => format!("{path}.{field}"),
    }
}

fn wrong(param: Option<&str>, message: impl Into<String>) -> Problem {
    match param {
        Some(param) => Problem::invalid(param, message),
        None => Problem::new(400, "invalid_request_error", None, message),
    }
}

/// PostgreSQL stores no NUL, so none comes in, whatever database it is.
fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(fields) => {
            fields.iter().any(|(name, value)| name.contains('\0') || holds_nul(value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse as _;
    use http_body_util::BodyExt as _;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it is read matters")]
    struct Thing {
        name: String,
        #[serde(default)]
        parts: Vec<Part>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it is read matters")]
    struct Part {
        weight: u32,
    }

    async fn refusal(value: Value) -> (String, String) {
        let problem = parse::<Thing>(value).unwrap_err();
        let body = problem.into_response().into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let text = |key: &str| body["error"][key].as_str().unwrap_or_default().to_owned();
        (text("param"), text("message"))
    }

    #[tokio::test]
    async fn the_field_at_fault_is_named() {
        for (value, param, said) in [
            (json!({}), "name", "`name` is missing"),
            (json!({"name": 5}), "name", "expected a string"),
            (json!({"name": "a", "nmae": 1}), "nmae", "did you mean `name`?"),
            (json!({"name": "a", "parts": [{"weight": -1}]}), "parts[0].weight", "-1"),
            (json!({"name": "a", "parts": [{}]}), "parts[0].weight", "is missing"),
        ] {
            let (found, message) = refusal(value.clone()).await;
            assert_eq!(found, param, "{value}: {message}");
            assert!(message.contains(said), "{value}: {message}");
        }
    }

    #[test]
    fn nul_is_found_wherever_it_is() {
        assert!(holds_nul(&json!({"a": [{"b": "x\0"}]})));
        assert!(holds_nul(&json!({"a\0": 1})));
        assert!(!holds_nul(&json!({"a": ["b", null, 1, true]})));
    }
}
