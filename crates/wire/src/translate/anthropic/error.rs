//! Anthropic's errors in OpenAI's envelope.

use crate::error::ErrorBody;

/// An error response of Anthropic. Its type and message stay; the code is OpenAI's for the same
/// case, which is what SDKs and agents look at.
pub fn error(status: u16, body: &[u8]) -> ErrorBody {
    let mut error = ErrorBody::from_upstream(status, body);
    let message = error.message.to_ascii_lowercase();
    let code = match error.kind.as_str() {
        "invalid_request_error" if message.contains("prompt is too long") => {
            "context_length_exceeded"
        }
        "invalid_request_error" if message.contains("credit balance is too low") => {
            "insufficient_quota"
        }
        "billing_error" => "insufficient_quota",
        "authentication_error" => "invalid_api_key",
        "not_found_error" if message.starts_with("model") => "model_not_found",
        "request_too_large" => "request_too_large",
        "rate_limit_error" => "rate_limit_exceeded",
        "overloaded_error" => "overloaded",
        _ => return error,
    };
    error.code = Some(code.to_owned());
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_messages_stay_and_codes_are_openais() {
        let cases = [
            (
                400,
                "invalid_request_error",
                "prompt is too long: 9 > 8",
                Some("context_length_exceeded"),
            ),
            (400, "invalid_request_error", "max_tokens: required", None),
            (401, "authentication_error", "invalid x-api-key", Some("invalid_api_key")),
            (404, "not_found_error", "model: claude-0", Some("model_not_found")),
            (429, "rate_limit_error", "slow down", Some("rate_limit_exceeded")),
            (529, "overloaded_error", "Overloaded", Some("overloaded")),
            (500, "api_error", "Internal server error", None),
        ];
        for (status, kind, message, code) in cases {
            let body = serde_json::json!(
                {"type": "error", "error": {"type": kind, "message": message}});
            let error = error(status, body.to_string().as_bytes());
            assert_eq!(error.kind, kind);
            assert_eq!(error.message, message);
            assert_eq!(error.code.as_deref(), code);
        }
    }
}
