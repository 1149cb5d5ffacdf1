//! What the node tells those who run it.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::soak::client::{ADMIN_KEY, Client, Request};

pub(super) async fn usage(client: &Client) -> Result<(), String> {
    let start = hours_ago(2);
    ask(client, &format!("usage/completions?start_time={start}&bucket_width=1h&group_by=model"))
        .await
}

pub(super) async fn costs(client: &Client) -> Result<(), String> {
    ask(client, &format!("costs?start_time={}&group_by=project_id", hours_ago(48))).await
}

pub(super) async fn audit_logs(client: &Client) -> Result<(), String> {
    ask(client, "audit_logs?limit=20").await
}

pub(super) async fn metrics(client: &Client) -> Result<(), String> {
    let answer = client.ask(Request::get("/metrics").with_key(ADMIN_KEY)).await?.with(&[200])?;
    match answer.count("# TYPE ") {
        0 => Err(answer.but("expected metrics")),
        _ => Ok(()),
    }
}

/// What every node must hear of: keys change what is held in memory, and go into the audit log.
pub(super) async fn key_made(client: &Client, number: u64) -> Result<(), String> {
    let projects = "/v1/organization/projects";
    let list = client.ask(Request::get(projects).with_key(ADMIN_KEY)).await?.with(&[200])?;
    let list = list.json()?;
    let project = list.pointer("/data/0/id").and_then(Value::as_str).ok_or("no project")?;
    let keys = format!("{projects}/{project}/api_keys");
    let body = json!({"name": format!("soak {number}")}).to_string();
    let made = Request::post(&keys, body.as_bytes()).with_key(ADMIN_KEY);
    let made = client.ask(made).await?.with(&[200])?.json()?;
    let id = made.pointer("/id").and_then(Value::as_str).ok_or("a key without an id")?;
    let key = format!("{keys}/{id}");
    client.ask(Request::delete(&key).with_key(ADMIN_KEY)).await?.with(&[200])?;
    Ok(())
}

async fn ask(client: &Client, question: &str) -> Result<(), String> {
    let path = format!("/v1/organization/{question}");
    let answer = client.ask(Request::get(&path).with_key(ADMIN_KEY)).await?.with(&[200])?;
    match answer.json()?.pointer("/data").is_some_and(Value::is_array) {
        true => Ok(()),
        false => Err(answer.but("expected a list")),
    }
}

#[expect(clippy::disallowed_methods, reason = "a chore has no clock to be given")]
fn hours_ago(hours: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_secs().saturating_sub(hours * 3600)
}
