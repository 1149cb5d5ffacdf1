//! Gemini's errors in OpenAI's envelope.

use crate::error::ErrorBody;

/// An error response of Gemini. Its message stays; Google's one name for the error becomes
/// OpenAI's type and code for the same case.
pub fn error(status: u16, body: &[u8]) -> ErrorBody {
    let mut error = ErrorBody::from_upstream(status, body);
    let message = error.message.to_ascii_lowercase();
    let said = |phrase| message.contains(phrase);
    let (kind, code) = match error.code.as_deref() {
        Some("INVALID_ARGUMENT") if said("api key not valid") => {
            ("authentication_error", Some("invalid_api_key"))
        }
        Some("INVALID_ARGUMENT") if said("token count") || said("maximum number of tokens") => {
            ("invalid_request_error", Some("context_length_exceeded"))
        }
        Some("INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE") => {
            ("invalid_request_error", None)
        }
        Some("UNAUTHENTICATED") => ("authentication_error", Some("invalid_api_key")),
        Some("PERMISSION_DENIED") => ("permission_error", Some("permission_denied")),
        Some("NOT_FOUND") => ("invalid_request_error", Some("model_not_found")),
        Some("RESOURCE_EXHAUSTED") => ("rate_limit_error", Some("rate_limit_exceeded")),
        Some("UNAVAILABLE") => ("server_error", Some("overloaded")),
        Some("DEADLINE_EXCEEDED") => ("server_error", Some("timeout")),
        Some("INTERNAL" | "UNKNOWN") => ("server_error", None),
        _ => return error,
    };
    error.kind = kind.to_owned();
    error.code = code.map(str::to_owned);
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn googles_names_become_openais() {
        let cases = [
            (
                400,
                "INVALID_ARGUMENT",
                "API key not valid.",
                "authentication_error",
                Some("invalid_api_key"),
            ),
            (
                400,
                "INVALID_ARGUMENT",
                "The input token count exceeds the maximum number of tokens allowed.",
                "invalid_request_error",
                Some("context_length_exceeded"),
            ),
            (400, "INVALID_ARGUMENT", "Unknown name.", "invalid_request_error", None),
            (404, "NOT_FOUND", "No such model.", "invalid_request_error", Some("model_not_found")),
            (429, "RESOURCE_EXHAUSTED", "Quota.", "rate_limit_error", Some("rate_limit_exceeded")),
            (503, "UNAVAILABLE", "Overloaded.", "server_error", Some("overloaded")),
        ];
        for (status, name, message, kind, code) in cases {
            let inner = serde_json::json!(
                {"error": {"code": status, "message": message, "status": name}});
            // Without `alt=sse`, a stream's error comes inside an array.
            for body in [inner.to_string(), format!("[{inner}]")] {
                let error = error(status, body.as_bytes());
                assert_eq!(error.kind, kind);
                assert_eq!(error.code.as_deref(), code);
                assert_eq!(error.message, message);
            }
        }
    }
}
