//! What Prometheus reads.

use std::collections::HashMap;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use gateway::{Refusal, Watch as _};
use kernel::{CallRecord, Operation, Outcome, ServiceTier};
use telemetry::{Format, Metrics};
use testkit::FakeClock;

use crate::call;

fn metrics() -> Arc<Metrics> {
    Metrics::new(Arc::new(FakeClock::at(crate::BEGAN)))
}

fn samples(metrics: &Metrics) -> Vec<String> {
    let text = metrics.exposition(Format::Prometheus);
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn a_call_is_counted_in_every_way() {
    let metrics = metrics();
    metrics.settled(&call(), None);
    metrics.settled(&CallRecord { cost: None, ..call() }, None);
    metrics.refused(&Refusal::Stopping, Operation::ChatCompletions);
    let samples = samples(&metrics);
    let of = r#"operation="chat_completions",model="fast",provider="east""#;
    let gen_ai = r#"gen_ai_operation_name="chat",gen_ai_provider_name="east",gen_ai_request_model="fast",openai_api_type="chat_completions",kijun_provider="east""#;
    for wanted in [
        format!(
            r#"kijun_calls_total{{{of},service_tier="priority",outcome="completed",status_class="2xx"}} 2"#
        ),
        format!("kijun_attempts_total{{{of}}} 4"),
        format!(r#"kijun_tokens_total{{{of},kind="input_cached"}} 60"#),
        format!(r#"kijun_tokens_total{{{of},kind="output"}} 202"#),
        format!("kijun_cost_dollars_total{{{of}}} 0.0015"),
        format!("kijun_unpriced_calls_total{{{of}}} 1"),
        r#"kijun_refusals_total{operation="chat_completions",code="stopping"} 1"#.to_owned(),
        format!("gen_ai_client_operation_duration_seconds_sum{{{gen_ai}}} 2.5"),
        format!(r#"gen_ai_client_operation_duration_seconds_bucket{{{gen_ai},le="1.28"}} 2"#),
        format!(r#"gen_ai_client_token_usage_sum{{{gen_ai},gen_ai_token_type="input"}} 80"#),
        format!("gen_ai_server_time_to_first_token_seconds_sum{{{gen_ai}}} 0.5"),
        // A second for a hundred tokens.
        format!("gen_ai_server_time_per_output_token_seconds_sum{{{gen_ai}}} 0.02"),
    ] {
        assert!(samples.contains(&wanted), "{wanted} is not in\n{}", samples.join("\n"));
    }
}

#[test]
fn names_of_ours_only() {
    let metrics = metrics();
    metrics.settled(&call(), None);
    let text = metrics.exposition(Format::Prometheus);
    for never in ["canary-end-user", "key_1", "proj_1", "org-1", "req_", "2024-07-18"] {
        assert!(!text.contains(never), "{never} is told");
    }
}

#[test]
fn no_family_grows_without_end() {
    let metrics = metrics();
    let outcomes = [
        (Outcome::Completed, 200),
        (Outcome::ClientClosed, 499),
        (Outcome::UpstreamError, 400),
        (Outcome::UpstreamError, 500),
        (Outcome::UpstreamBroken, 200),
        (Outcome::TimedOut, 504),
        (Outcome::Stopped, 503),
        (Outcome::Shed, 503),
    ];
    let mut calls = 0_u64;
    for model in 0..300 {
        for provider in 0..3 {
            for (outcome, status) in outcomes {
                for service_tier in ServiceTier::ALL {
                    let (model, provider) = (format!("model {model}"), format!("p{provider}"));
                    let call =
                        CallRecord { model, provider, outcome, status, service_tier, ..call() };
                    metrics.settled(&call, None);
                    calls += 1;
                }
            }
        }
    }
    let samples = samples(&metrics);
    let mut families: HashMap<&str, HashMap<&str, &str>> = HashMap::new();
    for line in samples.iter().filter(|line| !line.contains("le=\"")) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let name = series.split('{').next().unwrap();
        let twice = families.entry(name).or_default().insert(series, value);
        assert!(twice.is_none(), "{series} is there twice");
    }
    for (name, series) in &families {
        assert!(series.len() <= 2_000, "{name}: {}", series.len());
    }
    let told = &families["kijun_calls_total"];
    assert!(told.keys().any(|series| series.contains(r#"model="other""#)));
    let counted: u64 = told.values().map(|count| count.parse::<u64>().unwrap()).sum();
    assert_eq!(counted, calls, "what has no series of its own is counted with the others");
}

/// Prometheus' own judgement, where its tool is installed.
#[test]
fn promtool_finds_nothing_wrong() {
    let metrics = metrics();
    metrics.settled(&CallRecord { model: "a \"b\" \\ c\nd".to_owned(), ..call() }, None);
    metrics.refused(&Refusal::Stopping, Operation::Responses);
    let child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else { return };
    let text = metrics.exposition(Format::Prometheus);
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}");
}
