//! Who may ask for what. The tests walk the OpenAPI document, so that no operation can be
//! forgotten.

use serde_json::{Value, json};

use crate::app::{Tenant, TestApp};
use crate::openapi::{Served, operations};

/// The path with this tenant's ids in it; other parameters name nothing.
fn filled(operation: &Served, tenant: &Tenant) -> String {
    let mut path = operation.path.replace("{project_id}", tenant.project.as_str());
    while let (Some(start), Some(end)) = (path.find('{'), path.find('}')) {
        path.replace_range(start..=end, "nothing");
    }
    path
}

#[tokio::test]
async fn strangers_are_refused_everywhere() {
    let app = TestApp::start().await;
    for operation in operations(&app).await {
        let path = filled(&operation, &app.home);
        for key in ["", "sk-kj-wrong", "sk-nobody-knows-this-one"] {
            let answer = app.ask(&operation.method, &path, key, Value::Null).await;
            if operation.open {
                assert_eq!(answer.status, 200, "{operation:?}");
                continue;
            }
            let error = answer.is_error(401);
            assert_eq!(answer.header("www-authenticate"), "Bearer", "{operation:?}");
            assert!(!error["message"].as_str().unwrap().contains("nobody-knows"), "{error}");
        }
    }
}

#[tokio::test]
async fn only_health_is_open() {
    let app = TestApp::start().await;
    let open = operations(&app).await.into_iter().filter(|operation| operation.open);
    let open: Vec<String> = open.map(|operation| operation.path).collect();
    assert_eq!(open, ["/healthz", "/readyz"]);
}

#[tokio::test]
async fn each_kind_of_key_opens_its_own_door() {
    let app = TestApp::start().await;
    for operation in operations(&app).await.into_iter().filter(|operation| !operation.open) {
        let path = filled(&operation, &app.home);
        let administers =
            operation.path.starts_with("/v1/organization") || operation.path == "/metrics";
        let (wrong, code) = match administers {
            true => (&app.home.api_key, "admin_key_required"),
            false => (&app.home.admin_key, "admin_key_not_allowed"),
        };
        let error = app.ask(&operation.method, &path, wrong, Value::Null).await.is_error(403);
        assert_eq!(error["code"], code, "{operation:?}");
    }
}

/// A body that the operation accepts, so that nothing but the id is wrong.
fn acceptable(operation: &str) -> Value {
    match operation {
        "modifyProject"
        | "createProjectApiKey"
        | "createProjectServiceAccount"
        | "createProjectServiceAccountApiKey" => json!({"name": "Mine now"}),
        "changeLimit" => json!({"amount": 5}),
        "updateProjectModelPermissions" => json!({"mode": "deny_list", "model_ids": []}),
        "updateProjectDataRetention" => json!({"retention_type": "none"}),
        "changeBudget" => json!({"amount": "5"}),
        "updateProjectSpendLimit" => {
            json!({"threshold_amount": 5, "currency": "USD", "interval": "month"})
        }
        "createProjectSpendAlert" | "updateProjectSpendAlert" | "updateOrganizationSpendAlert" => {
            spend_alert()
        }
        "updateProjectServiceTiers" => json!({"default_tier": "flex", "tiers": ["flex"]}),
        _ => json!({}),
    }
}

fn spend_alert() -> Value {
    let channel = json!({"type": "email", "recipients": ["ann@example.com"]});
    json!({
        "threshold_amount": 5, "currency": "USD", "interval": "month",
        "notification_channel": channel,
    })
}

#[tokio::test]
async fn another_tenants_ids_are_not_there() {
    let app = TestApp::start().await;
    let neighbour = app.neighbour().await;
    let theirs = neighbour.project.as_str();
    let key = &neighbour.admin_key;
    let path = format!("/v1/organization/projects/{theirs}/service_accounts");
    let account = app.ask("POST", &path, key, json!({"name": "Robot"})).await.json();
    let path = format!("/v1/organization/projects/{theirs}/api_keys");
    let keys = app.ask("GET", &path, key, Value::Null).await.json();
    let admin_keys = app.ask("GET", "/v1/organization/admin_api_keys", key, Value::Null).await;
    let limit = json!({"scope": "project", "measure": "requests_per_minute", "amount": 1});
    let limit = app.ask("POST", "/v1/organization/limits", key, limit).await.json();
    let budget = json!({"scope": "key", "period": "day", "amount": "5", "enforcement": "soft"});
    let budget = app.ask("POST", "/v1/organization/budgets", key, budget).await.json();
    let alert = app.ask("POST", "/v1/organization/spend_alerts", key, spend_alert()).await.json();
    let hook = json!({"name": "Hook", "url": "https://hooks.example.com"});
    let hook = app.ask("POST", "/v1/organization/webhooks", key, hook).await.json();
    let hook = hook["id"].as_str().unwrap();
    let path = format!("/v1/organization/webhooks/{hook}/test");
    let notice = app.ask("POST", &path, key, Value::Null).await.json();
    let call = app
        .ask("POST", "/v1/chat/completions", &neighbour.api_key, crate::app::hello("kijun-sim"))
        .await;
    assert_eq!(call.status, 200);
    let ids = [
        ("{project_id}", theirs),
        ("{service_account_id}", account["id"].as_str().unwrap()),
        ("{api_key_id}", keys["data"][0]["id"].as_str().unwrap()),
        ("{key_id}", &*admin_keys.json()["data"][0]["id"].as_str().unwrap().to_owned()),
        ("{limit_id}", limit["id"].as_str().unwrap()),
        ("{budget_id}", budget["id"].as_str().unwrap()),
        ("{alert_id}", alert["id"].as_str().unwrap()),
        ("{webhook_id}", hook),
        ("{notice_id}", notice["id"].as_str().unwrap()),
        ("{call_id}", call.header("x-request-id")),
    ];
    let mut tried = 0;
    for operation in operations(&app).await {
        let path =
            ids.iter().fold(operation.path.clone(), |path, (place, id)| path.replace(place, id));
        // Providers and models are the node's, not a tenant's.
        if path == operation.path || path.contains('{') {
            continue;
        }
        let body = acceptable(&operation.id);
        let answer = app.ask(&operation.method, &path, &app.home.admin_key, body.clone()).await;
        assert_eq!(answer.status, 404, "{operation:?}: {}", answer.text());
        // The same with one's own project and the neighbour's ids below it.
        if path.contains("/projects/") && operation.path.matches('{').count() > 1 {
            let path = path.replace(theirs, app.home.project.as_str());
            let answer = app.ask(&operation.method, &path, &app.home.admin_key, body).await;
            assert_eq!(answer.status, 404, "{operation:?}: {}", answer.text());
        }
        tried += 1;
    }
    assert!(tried >= 40, "{tried}");
    let lists = app.admin("GET", "/projects", Value::Null).await;
    assert!(!lists.to_string().contains(theirs));
    assert!(app.calls().await.is_empty());
    let usage = app.admin("GET", "/usage/completions?start_time=1799990000", Value::Null).await;
    assert!(usage["data"].as_array().unwrap().iter().all(|b| b["results"] == json!([])), "{usage}");
    assert_ne!(app.home.organization, neighbour.organization);
}
