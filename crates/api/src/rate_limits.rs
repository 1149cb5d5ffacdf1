//! What is left of the caller's limits, as OpenAI's `x-ratelimit-*` headers tell it.

use std::time::Duration;

use admission::RateLimitHeaders;
use http::{HeaderMap, HeaderName, HeaderValue};

const LIMIT_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-limit-requests");
const REMAINING_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-remaining-requests");
const RESET_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-reset-requests");
const LIMIT_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-limit-tokens");
const REMAINING_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-remaining-tokens");
const RESET_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-reset-tokens");

/// The `x-ratelimit-*` headers; where no limit of ours holds, the provider's own stay.
pub(crate) fn put(headers: &mut HeaderMap, limits: &RateLimitHeaders) {
    if let Some(left) = limits.requests {
        headers.insert(LIMIT_REQUESTS, left.limit.into());
        headers.insert(REMAINING_REQUESTS, left.remaining.into());
        put_reset(headers, RESET_REQUESTS, left.reset);
    }
    if let Some(left) = limits.tokens {
        headers.insert(LIMIT_TOKENS, left.limit.into());
        headers.insert(REMAINING_TOKENS, left.remaining.into());
        put_reset(headers, RESET_TOKENS, left.reset);
    }
}

fn put_reset(headers: &mut HeaderMap, name: HeaderName, reset: Duration) {
    if let Ok(value) = HeaderValue::try_from(admission::duration_text(reset)) {
        headers.insert(name, value);
    }
}
