//! The Response object around its output: what repeats the request, what became of it, and what
//! the upstream adds.

use kernel::Usage;
use serde_json::{Map, Value, json};

use crate::error::ErrorBody;
use crate::usage;

/// What has become of a response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Status {
    Queued,
    InProgress,
    Completed,
    Incomplete,
    Failed,
    Cancelled,
}

impl Status {
    const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete => "incomplete",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The Response object without its output.
pub(super) struct Frame {
    pub(super) id: String,
    pub(super) created_at: i64,
    pub(super) status: Status,
    pub(super) completed_at: Option<i64>,
    pub(super) error: Option<Value>,
    pub(super) incomplete: Option<String>,
    pub(super) usage: Option<Usage>,
    /// What repeats the request.
    echo: Map<String, Value>,
    /// What only the upstream knows of.
    added: Map<String, Value>,
}

/// Fields that are never taken from the upstream: they are ours to say, or the request's.
const OURS: &[&str] = &[
    "id",
    "object",
    "created_at",
    "status",
    "completed_at",
    "error",
    "incomplete_details",
    "output",
    "output_text",
    "usage",
    "input",
    "model",
    "background",
    "conversation",
    "instructions",
    "metadata",
    "previous_response_id",
    "store",
];

/// The classes of service that clients know.
const SERVICE_TIERS: &[&str] =
    &["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"];

impl Frame {
    pub(super) fn new(id: String, created_at: i64, mut echo: Map<String, Value>) -> Self {
        for ours in
            ["id", "object", "created_at", "status", "completed_at", "error", "output", "usage"]
        {
            echo.remove(ours);
        }
        echo.remove("incomplete_details");
        Self {
            id,
            created_at,
            status: Status::InProgress,
            completed_at: None,
            error: None,
            incomplete: None,
            usage: None,
            echo,
            added: Map::new(),
        }
    }

    /// The object, with every field that strict clients want, null where there is nothing.
    pub(super) fn value(&self, output: Vec<Value>) -> Value {
        let mut response = Map::with_capacity(self.echo.len() + self.added.len() + 9);
        let mut put = |name: &str, value: Value| response.insert(name.to_owned(), value);
        put("id", Value::from(self.id.as_str()));
        put("object", Value::from("response"));
        put("created_at", Value::from(self.created_at));
        put("status", Value::from(self.status.name()));
        put("completed_at", json!(self.completed_at));
        put("error", json!(self.error));
        let incomplete = self.incomplete.as_ref().map(|reason| json!({ "reason": reason }));
        put("incomplete_details", json!(incomplete));
        put("output", Value::Array(output));
        put("usage", self.usage.as_ref().map_or(Value::Null, usage::write_responses));
        for (name, value) in self.echo.iter().chain(&self.added) {
            put(name, value.clone());
        }
        Value::Object(response)
    }

    /// Takes from an upstream's Response object what nobody else knows.
    pub(super) fn adopt(&mut self, response: &Map<String, Value>) {
        for (name, value) in response {
            let known = OURS.contains(&name.as_str()) || self.echo.contains_key(name);
            if !known && !value.is_null() {
                self.added.insert(name.clone(), value.clone());
            }
        }
        self.serve(response.get("service_tier"));
    }

    /// Takes the class of service that the upstream says it gave.
    pub(super) fn serve(&mut self, tier: Option<&Value>) {
        if let Some(tier) = tier
            && tier.as_str().is_some_and(|tier| SERVICE_TIERS.contains(&tier))
        {
            self.echo.insert("service_tier".to_owned(), tier.clone());
        }
    }

    /// Says why the response failed.
    pub(super) fn fail(&mut self, error: &ErrorBody) {
        self.status = Status::Failed;
        self.error = Some(json!({ "code": failure_code(error), "message": error.message }));
    }
}

/// The codes that the API documents for a failed response, and those that clients act upon.
const FAILURE_CODES: &[&str] = &[
    "server_error",
    "rate_limit_exceeded",
    "invalid_prompt",
    "data_residency_mismatch",
    "bio_policy",
    "misalignment_policy_violation",
    "vector_store_timeout",
    "invalid_image",
    "invalid_image_format",
    "invalid_base64_image",
    "invalid_image_url",
    "image_too_large",
    "image_too_small",
    "image_parse_error",
    "image_content_policy_violation",
    "invalid_image_mode",
    "image_file_too_large",
    "unsupported_image_media_type",
    "empty_image_file",
    "failed_to_download_image",
    "image_file_not_found",
    "context_length_exceeded",
    "insufficient_quota",
    "server_is_overloaded",
];

/// The code of a failed response. Strict clients accept no others, so what has none of them is an
/// error of the server; its message says more.
fn failure_code(error: &ErrorBody) -> &str {
    match error.code.as_deref() {
        Some(code) if FAILURE_CODES.contains(&code) => code,
        Some("overloaded_error" | "engine_overloaded" | "server_overloaded") => {
            "server_is_overloaded"
        }
        _ if error.kind == "rate_limit_error" => "rate_limit_exceeded",
        _ => "server_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        let echo = json!({ "model": "m", "service_tier": "auto", "user": null, "status": "x" });
        let Value::Object(echo) = echo else { unreachable!() };
        Frame::new("resp_1".to_owned(), 5, echo)
    }

    #[test]
    fn only_what_is_unknown_is_taken_from_the_upstream() {
        let mut frame = frame();
        let theirs = json!({
            "id": "resp_theirs", "model": "m-2026", "status": "completed", "user": "theirs",
            "service_tier": "flex", "billing": { "payer": "x" }, "moderation": null,
        });
        frame.adopt(theirs.as_object().unwrap());
        frame.serve(Some(&json!("platinum")));
        let expected = json!({
            "id": "resp_1", "object": "response", "created_at": 5, "status": "in_progress",
            "completed_at": null, "error": null, "incomplete_details": null, "output": [],
            "usage": null, "model": "m", "service_tier": "flex", "user": null,
            "billing": { "payer": "x" },
        });
        assert_eq!(frame.value(Vec::new()), expected);
    }

    #[test]
    fn a_failure_has_a_code_that_clients_know() {
        let mut frame = frame();
        let error = |kind: &str, code: &str| ErrorBody {
            message: "no".to_owned(),
            kind: kind.to_owned(),
            param: None,
            code: Some(code.to_owned()),
        };
        for (error, code) in [
            (error("server_error", "upstream_timeout"), "server_error"),
            (error("rate_limit_error", "slow"), "rate_limit_exceeded"),
            (error("invalid_request_error", "context_length_exceeded"), "context_length_exceeded"),
            (error("server_error", "overloaded_error"), "server_is_overloaded"),
        ] {
            frame.fail(&error);
            let failed = frame.value(Vec::new());
            assert_eq!(failed["error"], json!({ "code": code, "message": "no" }));
            assert_eq!(failed["status"], "failed");
        }
    }
}
