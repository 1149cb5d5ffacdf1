//! Whatever is sent, no answer is a 5xx, and every refusal is in the envelope.

use axum::body::Body;
use http::{Method, Request, header};
use serde_json::json;

use crate::app::TestApp;
use crate::openapi::operations;

/// Values for parameters: percent-encoded junk.
const VALUES: [&str; 14] = [
    "",
    "0",
    "-1",
    "1e309",
    "99999999999999999999",
    "9223372036854775807",
    "true",
    "null",
    "%00",
    "%FF%FE",
    "%F0%9F%8E%8C",
    "a%2Fb",
    "%27%3B--",
    "page_7fffffffffffffff",
];

const QUERY_NAMES: [&str; 12] = [
    "after",
    "limit",
    "order",
    "start_time",
    "end_time",
    "page",
    "group_by",
    "models",
    "batch",
    "bucket_width",
    "project_id",
    "owner_project_access",
];

fn bodies() -> Vec<Vec<u8>> {
    let deep = "[".repeat(10_000);
    let values = [
        json!({}),
        json!([]),
        json!("text"),
        json!(1),
        json!(null),
        json!(true),
        json!({"name": "\u{0}"}),
        json!({"name": "x".repeat(100_000)}),
        json!({"name": null}),
        json!({"name": "é\u{202e}\u{7f}"}),
        json!({"name": ["a"]}),
        json!({"name": {"a": 1}}),
        json!({"name": "a", "expires_at": -5}),
        json!({"name": "a", "expires_at": 9_223_372_036_854_775_807_i64}),
        json!({"name": "a", "expires_in_seconds": 18_446_744_073_709_551_615_u64}),
        json!({"overlap_seconds": 18_446_744_073_709_551_615_u64}),
        json!({"mode": "allow_list", "model_ids": ["", "x".repeat(1_000)]}),
        json!({"mode": "deny_list", "model_ids": [0]}),
        json!({"scope": "key", "measure": "concurrent_calls", "amount": 18_446_744_073_709_551_615_u64}),
        json!({"scope": "user", "subject": "x".repeat(5_000), "measure": "requests_per_day", "amount": 1}),
        json!({"scope": "model", "subject": "a", "model": "b", "measure": "requests_per_day", "amount": 1}),
        json!({"name": "q", "kind": "openai", "base_url": "http://[::"}),
        json!({"name": "q", "kind": "openai", "base_url": "file:///etc/passwd"}),
        json!({"name": "q", "kind": "openai", "api_key": "a\nb"}),
        json!({"name": "q", "kind": "openai", "headers": {"a b": "c", "": "\u{7f}"}}),
        json!({"name": "q", "kind": "sim", "timeouts": {"idle_ms": 18_446_744_073_709_551_615_u64}}),
        json!({"name": "q", "kind": "sim", "max_concurrent": 4_294_967_295_u32}),
        json!({"name": "q", "targets": [{"provider": "kijun-sim", "model": "", "weight": 4_294_967_295_u32}]}),
        json!({"name": "q", "targets": [{"provider": "kijun-sim", "model": "m"}], "fallbacks": [{"model": "q"}]}),
        json!({"model": "kijun-sim", "messages": []}),
        json!({"model": "\u{0}", "messages": [1]}),
        json!({"model": "kijun-sim", "messages": [{"role": "user", "content": 5}], "stream": "yes"}),
        json!({"model": "kijun-sim", "messages": [{"role": "user", "content": "a"}], "n": -1, "max_tokens": 1e300}),
        json!({"model": "kijun-sim", "input": [[-1]], "prompt": [[1e9]]}),
        json!({"model": "kijun-sim-embedding", "input": [], "dimensions": 0}),
        json!({"model": "kijun-sim-moderation", "input": {"a": "\u{0}"}}),
    ];
    let mut bodies: Vec<Vec<u8>> =
        values.iter().map(|value| value.to_string().into_bytes()).collect();
    bodies.extend([
        b"".to_vec(),
        b"{".to_vec(),
        b"\xff\xfe".to_vec(),
        b"{\"name\":\"\\ud800\"}".to_vec(),
    ]);
    bodies.push(b"{\"name\":1e999}".to_vec());
    bodies.push(b"{\"name\":\"a\",\"name\":\"b\"}".to_vec());
    bodies.push(deep.into_bytes());
    bodies
}

async fn check(app: &TestApp, method: &str, path: &str, body: Vec<u8>) {
    let administers = path.starts_with("/v1/organization");
    let key = if administers { &app.home.admin_key } else { &app.home.api_key };
    let shown = String::from_utf8_lossy(&body).chars().take(200).collect::<String>();
    let request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap())
        .uri(path)
        .header(header::AUTHORIZATION, format!("Bearer {key}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body))
        .unwrap();
    let answer = app.send(request).await;
    let status = answer.status.as_u16();
    assert!(status < 500, "{method} {path} {shown}: {status} {}", answer.text());
    if status >= 400 {
        answer.is_error(status);
    }
}

#[tokio::test]
async fn junk_in_paths_and_queries_is_refused() {
    let app = TestApp::start().await;
    for operation in operations(&app).await {
        for value in VALUES {
            let mut path = operation.path.clone();
            while let (Some(start), Some(end)) = (path.find('{'), path.find('}')) {
                path.replace_range(start..=end, value);
            }
            check(&app, &operation.method, &path, Vec::new()).await;
            if operation.method != "GET" {
                continue;
            }
            for name in QUERY_NAMES {
                check(&app, "GET", &format!("{path}?{name}={value}"), Vec::new()).await;
            }
            check(&app, "GET", &format!("{path}?start_time=5&{value}"), Vec::new()).await;
        }
    }
}

#[tokio::test]
async fn junk_in_bodies_is_refused() {
    let app = TestApp::start().await;
    let project = app.home.project.as_str();
    for operation in operations(&app).await.iter().filter(|operation| operation.method == "POST") {
        // The project must live through the test.
        if operation.id == "archiveProject" {
            continue;
        }
        let mut path = operation.path.replace("{project_id}", project);
        while let (Some(start), Some(end)) = (path.find('{'), path.find('}')) {
            path.replace_range(start..=end, "nothing");
        }
        for body in bodies() {
            check(&app, &operation.method, &path, body).await;
        }
    }
}
