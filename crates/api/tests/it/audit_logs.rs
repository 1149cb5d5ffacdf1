//! The audit log: every administrative operation writes to it, in the official shape, and nothing
//! that was refused does.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Value, json};
use store::{Attempt, NewNotice, Recipient};

use crate::app::{Answer, NOW, TestApp, request};
use crate::openapi::operations;

/// Every operation below `/v1/organization` that may change something, and the events of one call.
const WRITTEN: &[(&str, &[&str])] = &[
    ("createAdminApiKey", &["kijun.admin_api_key.created"]),
    ("deleteAdminApiKey", &["kijun.admin_api_key.deleted"]),
    ("createProject", &["project.created"]),
    ("modifyProject", &["project.updated"]),
    ("archiveProject", &["project.archived"]),
    ("createProjectApiKey", &["api_key.created"]),
    ("rotateProjectApiKey", &["api_key.updated"]),
    ("deleteProjectApiKey", &["api_key.deleted"]),
    // The account, and the key that it is made with.
    ("createProjectServiceAccount", &["service_account.created", "api_key.created"]),
    ("createProjectServiceAccountApiKey", &["api_key.created"]),
    ("deleteProjectServiceAccount", &["service_account.deleted"]),
    ("updateProjectModelPermissions", &["kijun.model_permissions.updated"]),
    ("deleteProjectModelPermissions", &["kijun.model_permissions.updated"]),
    ("updateOrganizationDataRetention", &["kijun.data_retention.updated"]),
    ("updateProjectDataRetention", &["kijun.data_retention.updated"]),
    ("createLimit", &["kijun.rate_limit.created"]),
    ("changeLimit", &["rate_limit.updated"]),
    ("deleteLimit", &["rate_limit.deleted"]),
    ("putProvider", &["kijun.provider.created"]),
    ("deleteProvider", &["kijun.provider.deleted"]),
    // It asks a provider how it is, and changes nothing.
    ("checkProvider", &[]),
    ("putModelAlias", &["kijun.model.created"]),
    ("deleteModelAlias", &["kijun.model.deleted"]),
    ("createPrice", &["kijun.price.created"]),
    ("createBudget", &["kijun.budget.created"]),
    ("changeBudget", &["kijun.budget.updated"]),
    ("deleteBudget", &["kijun.budget.deleted"]),
    ("updateOrganizationSpendLimit", &["kijun.budget.updated"]),
    ("deleteOrganizationSpendLimit", &["kijun.budget.deleted"]),
    ("updateProjectSpendLimit", &["kijun.budget.updated"]),
    ("deleteProjectSpendLimit", &["kijun.budget.deleted"]),
    ("createOrganizationSpendAlert", &["kijun.spend_alert.created"]),
    ("updateOrganizationSpendAlert", &["kijun.spend_alert.updated"]),
    ("deleteOrganizationSpendAlert", &["kijun.spend_alert.deleted"]),
    ("createProjectSpendAlert", &["kijun.spend_alert.created"]),
    ("updateProjectSpendAlert", &["kijun.spend_alert.updated"]),
    ("deleteProjectSpendAlert", &["kijun.spend_alert.deleted"]),
    ("createWebhook", &["kijun.webhook.created"]),
    ("changeWebhook", &["kijun.webhook.updated"]),
    ("rotateWebhookSecret", &["kijun.webhook.updated"]),
    ("deleteWebhook", &["kijun.webhook.deleted"]),
    // It tells what it is told to, and changes nothing.
    ("testWebhook", &[]),
    ("retryNotice", &["kijun.notice.retried"]),
    ("putServiceObjective", &["kijun.service_objective.updated"]),
    ("updateProjectServiceTiers", &["kijun.project_service.updated"]),
];

/// A body that the operation takes.
fn body(operation: &str) -> Value {
    match operation {
        "createAdminApiKey"
        | "createProject"
        | "modifyProject"
        | "createProjectApiKey"
        | "createProjectServiceAccount"
        | "createProjectServiceAccountApiKey" => {
            json!({"name": "Another"})
        }
        "updateProjectModelPermissions" => {
            json!({"mode": "allow_list", "model_ids": ["kijun-sim"]})
        }
        "updateOrganizationDataRetention" | "updateProjectDataRetention" => {
            json!({"retention_type": "zero_data_retention"})
        }
        "createLimit" => json!({"scope": "key", "measure": "tokens_per_minute", "amount": 900}),
        "changeLimit" => json!({"amount": 1_000}),
        "putProvider" => json!({"name": "fresh", "kind": "sim"}),
        "putModelAlias" => {
            json!({"name": "fresh", "targets": [{"provider": "kijun-sim", "model": "kijun-sim"}]})
        }
        "createBudget" => budget("key"),
        "changeBudget" => json!({"amount": "9.5"}),
        "updateOrganizationSpendLimit" | "updateProjectSpendLimit" => {
            json!({"threshold_amount": 500, "currency": "USD", "interval": "month"})
        }
        "createOrganizationSpendAlert"
        | "updateOrganizationSpendAlert"
        | "createProjectSpendAlert"
        | "updateProjectSpendAlert" => spend_alert(700),
        "createWebhook" => json!({"name": "Hook", "url": "https://hooks.example.com/canary-path"}),
        "changeWebhook" => json!({"name": "Another"}),
        "putServiceObjective" => json!({"availability_ppm": 999_500}),
        "updateProjectServiceTiers" => {
            json!({"default_tier": "default", "tiers": ["priority", "default"]})
        }
        "createPrice" => json!({
            "provider": "kijun-sim", "model": "kijun-sim", "effective_from": "2026-01-01",
            "input": "1", "output": "2", "source": "a test",
        }),
        _ => Value::Null,
    }
}

fn budget(scope: &str) -> Value {
    json!({"scope": scope, "period": "month", "amount": "5", "enforcement": "hard"})
}

fn spend_alert(cents: u32) -> Value {
    let channel = json!({"type": "email", "recipients": ["canary@example.com"]});
    json!({
        "threshold_amount": cents, "currency": "USD", "interval": "month",
        "notification_channel": channel,
    })
}

/// One of everything that a path can name.
async fn things(app: &TestApp) -> BTreeMap<&'static str, String> {
    let id = |made: &Value| made["id"].as_str().unwrap().to_owned();
    let project = id(&app.admin("POST", "/projects", json!({"name": "A project"})).await);
    let within = format!("/projects/{project}");
    let named = json!({"name": "A thing"});
    let key = app.admin("POST", &format!("{within}/api_keys"), named.clone()).await;
    let account = app.admin("POST", &format!("{within}/service_accounts"), named.clone()).await;
    let admin_key = app.admin("POST", "/admin_api_keys", named).await;
    let limit = app.admin("POST", "/limits", body("createLimit")).await;
    let budget = app.admin("POST", "/budgets", budget("user")).await;
    let spend_limit = json!({"threshold_amount": 400, "currency": "USD", "interval": "month"});
    app.admin("POST", "/spend_limit", spend_limit.clone()).await;
    app.admin("POST", &format!("{within}/spend_limit"), spend_limit).await;
    let alert = app.admin("POST", "/spend_alerts", spend_alert(100)).await;
    let project_alert =
        app.admin("POST", &format!("{within}/spend_alerts"), spend_alert(100)).await;
    let webhook = app.admin("POST", "/webhooks", body("createWebhook")).await;
    let provider = json!({"name": "there", "kind": "sim"});
    app.admin("POST", "/providers", provider).await;
    let target = json!([{"provider": "kijun-sim", "model": "kijun-sim"}]);
    app.admin("POST", "/models", json!({"name": "alias", "targets": target})).await;
    BTreeMap::from([
        ("project_id", project),
        ("api_key_id", id(&key)),
        ("service_account_id", id(&account)),
        ("key_id", id(&admin_key)),
        ("limit_id", id(&limit)),
        ("budget_id", id(&budget)),
        ("webhook_id", id(&webhook)),
        ("notice_id", failed_notice(app).await),
        ("service_levels/{tier", "flex".to_owned()),
        ("organization/spend_alerts/{alert_id", id(&alert)),
        ("alert_id", id(&project_alert)),
        ("providers/{name", "there".to_owned()),
        ("models/{name", "alias".to_owned()),
    ])
}

fn filled(path: &str, things: &BTreeMap<&'static str, String>) -> String {
    // Backwards: a place in a folder comes before the same place anywhere.
    things.iter().rev().fold(path.to_owned(), |path, (place, id)| match place.split_once('{') {
        Some((folder, _)) => path.replace(&format!("{place}}}"), &format!("{folder}{id}")),
        None => path.replace(&format!("{{{place}}}"), id),
    })
}

/// A notice that was given up.
async fn failed_notice(app: &TestApp) -> String {
    let notice = NewNotice {
        organization: app.home.organization.clone(),
        to: Recipient::Email("ann@example.com".to_owned()),
        kind: "kijun.budget.reached".to_owned(),
        subject: "A budget".to_owned(),
        body: "is spent".to_owned(),
    };
    let id = app.store.notice_create(vec![notice]).await.unwrap().remove(0);
    let given_up = Attempt::GivenUp { error: "no such mailbox".to_owned() };
    app.store.notice_settle(&id, &given_up).await.unwrap();
    id.to_string()
}

async fn logged(app: &TestApp, query: &str) -> Vec<Value> {
    let list = app.admin("GET", &format!("/audit_logs?limit=100{query}"), Value::Null).await;
    assert_eq!(list["object"], "list");
    list["data"].as_array().unwrap().clone()
}

fn ids(logs: &[Value]) -> BTreeSet<String> {
    logs.iter().map(|log| log["id"].as_str().unwrap().to_owned()).collect()
}

fn types(logs: &[Value]) -> Vec<&str> {
    logs.iter().map(|log| log["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn every_operation_writes_what_it_did() {
    let app = TestApp::start().await;
    let table: BTreeMap<_, _> = WRITTEN.iter().copied().collect();
    let mut walked = BTreeSet::new();
    for operation in operations(&app).await {
        if operation.method == "GET" || !operation.path.starts_with("/v1/organization") {
            continue;
        }
        let Some(events) = table.get(operation.id.as_str()) else {
            panic!("`{}` has no line in WRITTEN: which events does it write?", operation.id);
        };
        walked.insert(operation.id.clone());
        let app = TestApp::start().await;
        let things = things(&app).await;
        let before = ids(&logged(&app, "").await);
        let ask = async |path: &str, body| {
            app.ask(&operation.method, path, &app.home.admin_key, body).await
        };
        // Refused: what it is about is not there, or what it is told makes no sense.
        let lost = things.keys().map(|place| (*place, "nothing".to_owned())).collect();
        let missing = filled(&operation.path, &lost);
        let wrong = match missing == operation.path {
            true => json!({"nonsense": true}),
            false => body(&operation.id),
        };
        // What takes neither an id nor a body, nobody can get wrong.
        if missing != operation.path || operation.method != "DELETE" {
            let refused = ask(&missing, wrong).await;
            assert!(refused.status.is_client_error(), "{operation:?}: {}", refused.text());
        }
        assert_eq!(ids(&logged(&app, "").await), before, "{operation:?} was refused");

        let answer = ask(&filled(&operation.path, &things), body(&operation.id)).await;
        assert_eq!(answer.status, 200, "{operation:?}: {}", answer.text());
        let mut new = logged(&app, "").await;
        new.retain(|log| !before.contains(log["id"].as_str().unwrap()));
        let newest_first: Vec<_> = events.iter().rev().copied().collect();
        assert_eq!(types(&new), newest_first, "{operation:?}");
        for log in &new {
            // It is the administrator's doing, whatever store the handler took.
            assert_eq!(log["actor"]["type"], "api_key", "{operation:?}: {log}");
            assert_eq!(log["kijun"]["request_id"], answer.header("x-request-id"));
            let told = &log[log["type"].as_str().unwrap()];
            assert_eq!(told["id"], log["kijun"]["resources"][0]["id"], "{log}");
        }
    }
    let expected: BTreeSet<_> = WRITTEN.iter().map(|(id, _)| (*id).to_owned()).collect();
    assert_eq!(walked, expected, "WRITTEN names operations that are not served");
}

#[tokio::test]
async fn an_entry_has_the_official_shape() {
    let app = TestApp::start().await;
    app.clock.advance(Duration::from_micros(1_500_000));
    let project = app.admin("POST", "/projects", json!({"name": "Search"})).await;
    let id = project["id"].as_str().unwrap();
    let mut change = request(
        "POST",
        &format!("/v1/organization/projects/{id}"),
        &app.home.admin_key,
        json!({"name": "Find"}),
    );
    change.headers_mut().insert("user-agent", "tests/1".parse().unwrap());
    change.extensions_mut().insert(api::Peer("192.0.2.7".parse::<IpAddr>().unwrap()));
    let answer = app.send(change).await;
    assert_eq!(answer.status, 200);
    let keys = app.admin("GET", "/admin_api_keys", Value::Null).await;
    let admin_key = &keys["data"][0]["id"];
    let [log] = &logged(&app, "&event_types[]=project.updated").await[..] else {
        panic!("one entry");
    };
    let kijun = &log["kijun"];
    let expected = json!({
        "id": log["id"], "type": "project.updated", "effective_at": NOW.as_secs() + 1,
        "project": {"id": id, "name": "Find"},
        "actor": {"type": "api_key", "api_key": {"id": admin_key}},
        "project.updated": {"id": id, "changes_requested": {"name": "Find", "title": "Find"}},
        "kijun": {
            "chain": app.home.organization.as_str(), "sequence": kijun["sequence"],
            "effective_at_us": NOW.as_micros() + 1_500_000,
            "hash": kijun["hash"], "previous_hash": kijun["previous_hash"],
            "actor_type": "admin_key", "actor_id": admin_key, "ip_address": "192.0.2.7",
            "user_agent": "tests/1", "request_id": answer.header("x-request-id"),
            "resources": [{"type": "project", "id": id}],
            "details": {"before": {"name": "Search"}, "after": {"name": "Find"}},
        },
    });
    assert_eq!(*log, expected);
    assert!(log["id"].as_str().unwrap().starts_with("audit_log-"));
    let created = logged(&app, "&event_types[]=project.created").await;
    assert_eq!(created[0]["kijun"]["hash"], kijun["previous_hash"]);
    assert_eq!(created[0]["actor"]["type"], "api_key");
    // What Kijun does itself, nobody did.
    assert_eq!(created.last().unwrap()["actor"], Value::Null);
}

#[tokio::test]
async fn no_secret_is_in_the_log() {
    let app = TestApp::start().await;
    let provider = json!({
        "name": "hub", "kind": "openai", "base_url": "http://127.0.0.1:9/v1",
        "api_key": "canary-credential", "headers": {"x-team": "canary-header"},
    });
    app.admin("POST", "/providers", provider.clone()).await;
    app.admin("POST", "/providers", provider).await;
    let path = format!("/projects/{}/api_keys", app.home.project);
    let key = app.admin("POST", &path, json!({"name": "Key"})).await;
    let admin_key = app.admin("POST", "/admin_api_keys", json!({"name": "Key"})).await;
    let hook = app.admin("POST", "/webhooks", body("createWebhook")).await;
    app.admin("POST", "/spend_alerts", spend_alert(100)).await;
    let text = Value::from(logged(&app, "").await).to_string();
    assert!(!text.contains("canary"), "{text}");
    for secret in [&key["value"], &admin_key["value"], &hook["secret"]] {
        assert!(!text.contains(secret.as_str().unwrap()), "{text}");
    }
    assert!(text.contains("kijun.provider.updated") && text.contains("given"), "{text}");
}

#[tokio::test]
async fn filters_and_pages() {
    let app = TestApp::start().await;
    app.clock.advance(Duration::from_secs(10));
    let project = app.admin("POST", "/projects", json!({"name": "Search"})).await;
    let id = project["id"].as_str().unwrap();
    app.clock.advance(Duration::from_secs(10));
    app.admin("POST", &format!("/projects/{id}"), json!({"name": "Find"})).await;
    let now = NOW.as_secs();
    let (created, updated) = ("project.created", "project.updated");
    let key = app.admin("GET", "/admin_api_keys", Value::Null).await;
    let key = key["data"][0]["id"].as_str().unwrap().to_owned();
    for (query, expected) in [
        (format!("&effective_at[gt]={}", now + 10), &[updated][..]),
        (format!("&effective_at[gte]={}", now + 10), &[updated, created]),
        (format!("&effective_at[gte]={}&effective_at[lt]={}", now + 1, now + 20), &[created]),
        (format!("&effective_at[gt]={}&effective_at[lte]={}", now, now + 20), &[updated, created]),
        (format!("&project_ids[]={id}"), &[updated, created]),
        (format!("&project_ids[]={id}&event_types[]={created}"), &[created]),
        (format!("&resource_ids[]={id}&resource_ids[]=other"), &[updated, created]),
        (format!("&actor_ids[]={key}"), &[updated, created]),
        ("&actor_ids[]=nobody".to_owned(), &[]),
        ("&actor_emails[]=ann@example.com".to_owned(), &[]),
        ("&tenant_only=true".to_owned(), &[]),
        (format!("&tenant_only=false&resource_ids[]={id}"), &[updated, created]),
    ] {
        assert_eq!(types(&logged(&app, &query).await), expected, "{query}");
    }
    let all = logged(&app, "").await;
    let page = async |query: &str| {
        app.admin("GET", &format!("/audit_logs?limit=2&{query}"), Value::Null).await
    };
    let first = page("").await;
    assert_eq!(first["data"].as_array().unwrap()[..], all[..2]);
    assert_eq!((&first["has_more"], &first["last_id"]), (&json!(true), &all[1]["id"]));
    let after = first["last_id"].as_str().unwrap();
    assert_eq!(page(&format!("after={after}")).await["data"].as_array().unwrap()[..], all[2..4]);
    let before = all[3]["id"].as_str().unwrap();
    assert_eq!(page(&format!("before={before}")).await["data"].as_array().unwrap()[..], all[1..3]);

    let refused = async |query: &str| {
        app.try_admin("GET", &format!("/audit_logs?{query}"), Value::Null).await
    };
    for (query, param) in [
        ("effective_at[ge]=5", "effective_at"),
        ("effective_at[gt]=soon", "effective_at"),
        ("effective_at=5", "effective_at"),
        ("limit=101", "limit"),
        ("tenant_only=1", "tenant_only"),
        ("event_type[]=a", "event_type"),
    ] {
        assert_eq!(refused(query).await.is_error(400)["param"], param, "{query}");
    }
    refused("after=audit_log-none").await.is_error(404);
}

#[tokio::test]
async fn an_organization_sees_what_is_its_own_and_what_is_everybodys() {
    let app = TestApp::start().await;
    let neighbour = app.neighbour().await;
    app.admin("POST", "/projects", json!({"name": "Ours"})).await;
    app.admin("POST", "/models", body("putModelAlias")).await;
    let path = "/v1/organization/audit_logs?limit=100";
    let theirs: Answer = app.ask("GET", path, &neighbour.admin_key, Value::Null).await;
    let chains: BTreeSet<_> = theirs.json()["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|log| log["kijun"]["chain"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(chains, BTreeSet::from([neighbour.organization.to_string()]));
    app.ask("GET", path, &app.home.api_key, Value::Null).await.is_error(403);
}
