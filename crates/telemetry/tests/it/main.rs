//! Telemetry from outside: what Prometheus reads, and what a collector receives.

#![cfg(test)]

mod collector;
mod deployment;
mod export;
mod exposition;

use kernel::{CallRecord, Money, Operation, Outcome, ServiceTier, Timestamp, Usage};

/// When the calls of these tests began.
const BEGAN: Timestamp = Timestamp::from_secs(1_700_000_000);

/// A streamed chat that went well: 250 ms to its first byte, 1.25 s in all, 101 tokens.
fn call() -> CallRecord {
    CallRecord {
        id: "req_018bcfe568000123456789abcdef0001".into(),
        started_at: BEGAN,
        duration_us: 1_250_000,
        first_byte_us: Some(250_000),
        organization: "org-1".into(),
        project: "proj_1".into(),
        api_key: "key_1".into(),
        service_account: None,
        end_user: Some("canary-end-user".to_owned()),
        response: None,
        batch: None,
        operation: Operation::ChatCompletions,
        model: "fast".to_owned(),
        provider: "east".to_owned(),
        upstream_model: "gpt-4o-mini-2024-07-18".to_owned(),
        stream: true,
        status: 200,
        outcome: Outcome::Completed,
        attempts: 2,
        service_tier: ServiceTier::Priority,
        usage: Usage { input: 40, input_cached: 30, output: 101, ..Usage::default() },
        cost: Some(Money::from_nanos(1_500_000)),
    }
}
