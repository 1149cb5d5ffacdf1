//! Budgets, sums, service levels and webhooks from the shell, on a running node.

use std::time::Duration;

use serde_json::{Value, json};

use crate::node::{ADMIN_KEY, API_KEY, Node, run, stdout};

fn admin(node: &Node, path: &str) -> Value {
    let (status, body) = node.send("GET", &format!("/v1/organization{path}"), ADMIN_KEY, "");
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

#[test]
fn budgets_are_made_listed_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path());
    let kijun = |arguments: &[&str]| stdout(&run(folder.path(), arguments));
    let options = ["--model", "kijun-sim", "--time-zone", "Asia/Tokyo", "--soft"];
    let alert = ["--alert", "80=ops@example.com"];
    let made =
        kijun(&[&["budgets", "create", "key", "month", "12.50"], &options[..], &alert].concat());
    let id = made.trim();
    let list = kijun(&["budgets", "list"]);
    for said in [id, "key", "each", "kijun-sim", "month (Asia/Tokyo)", "12.500000000", "soft"] {
        assert!(list.contains(said), "{said}: {list}");
    }
    let shown = admin(&node, &format!("/budgets/{id}"));
    assert_eq!((&shown["enforcement"], &shown["amount"]), (&json!("soft"), &json!("12.500000000")));
    assert_eq!(shown["alerts"][0]["percent"], 80);
    let wrong = run(folder.path(), &["budgets", "create", "key", "day", "1", "--alert", "ops"]);
    assert!(!wrong.status.success());
    for wrong in ["0", "a", "-1"] {
        assert!(!run(folder.path(), &["budgets", "create", "key", "day", wrong]).status.success());
    }
    kijun(&["budgets", "change", id, "20"]);
    assert_eq!(admin(&node, &format!("/budgets/{id}"))["amount"], "20.000000000");
    kijun(&["budgets", "delete", id]);
    assert!(!kijun(&["budgets", "list"]).contains(id));
}

#[test]
fn sums_are_checked_and_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path());
    let kijun = |arguments: &[&str]| stdout(&run(folder.path(), arguments));
    assert_eq!(node.chat(API_KEY, "Hello").0, 200);
    // Its answer waits until the call is in the ledger.
    admin(&node, "/usage/completions?start_time=5&limit=1");
    assert!(kijun(&["usage", "check"]).contains("every sum is that of its calls"));
    let written = kijun(&["usage", "rebuild"]);
    let count: u64 = written.split_whitespace().next().unwrap().parse().unwrap();
    assert!(count > 0, "{written}");
    assert!(kijun(&["usage", "check", "--month", "2026-01"]).contains("every sum"));
    assert!(!run(folder.path(), &["usage", "check", "--month", "May"]).status.success());
}

#[test]
fn service_levels_are_promised_and_stated() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path());
    let kijun = |arguments: &[&str]| stdout(&run(folder.path(), arguments));
    let promise = ["--availability", "999500", "--within", "800", "--latency", "950000"];
    kijun(&[&["service-levels", "set", "priority"], &promise[..]].concat());
    let shown = admin(&node, "/service_levels/priority");
    let expected =
        json!({"availability_ppm": 999_500, "latency": {"within_ms": 800, "ppm": 950_000}});
    assert_eq!(shown["objective"], expected);
    assert!(kijun(&["service-levels", "list"]).contains("99.950 %"));
    let month = ["service-levels", "statement", "--month", "2026-02", "--time-zone", "Asia/Tokyo"];
    let table = kijun(&month);
    assert!(table.contains("priority") && table.contains("flex"), "{table}");
    let lines = kijun(&[&month[..], &["--json"]].concat());
    let stated: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let query = "/service_levels/priority/statement?month=2026-02&time_zone=Asia/Tokyo";
    assert_eq!((stated.len(), &stated[0]), (3, &admin(&node, query)));
    assert_eq!(stated[0]["complete"], true);
}

#[test]
fn a_project_may_be_granted_other_tiers() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path());
    let kijun = |arguments: &[&str]| stdout(&run(folder.path(), arguments));
    let made = kijun(&["projects", "create", "urgent"]);
    let project = made.trim();
    kijun(&["projects", "tiers", project, "priority,flex", "--default", "priority"]);
    let shown = admin(&node, &format!("/projects/{project}/service_tiers"));
    assert_eq!(shown["default_tier"], "priority");
    assert_eq!(shown["tiers"], json!(["priority", "flex"]));
    // The default tier must be one of them.
    assert!(!run(folder.path(), &["projects", "tiers", project, "flex"]).status.success());
}

#[test]
fn webhooks_are_made_and_tried() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path());
    let kijun = |arguments: &[&str]| stdout(&run(folder.path(), arguments));
    // Nobody listens there.
    let url = "http://127.0.0.1:9/hook";
    let made = kijun(&["webhooks", "create", "ops", url, "--event", "kijun.budget.reached"]);
    let (id, secret) = made.trim().split_once('\n').unwrap();
    assert!(secret.starts_with("whsec_"), "{made}");
    let list = kijun(&["webhooks", "list"]);
    assert!(list.contains(url) && list.contains("kijun.budget.reached"), "{list}");
    assert!(!list.contains(secret), "it was shown once");
    assert_ne!(kijun(&["webhooks", "rotate-secret", id]).trim(), secret);
    let notice = kijun(&["webhooks", "test", id]);
    let path = format!("/notices/{}", notice.trim());
    // The running node delivers what the shell wrote down.
    let end = std::time::Instant::now() + Duration::from_secs(60);
    while admin(&node, &path)["last_error"].is_null() {
        assert!(std::time::Instant::now() < end, "{}", admin(&node, &path));
        std::thread::sleep(Duration::from_millis(50));
    }
    let notices = kijun(&["notices", "list"]);
    assert!(notices.contains("kijun.webhook.test") && notices.contains(id), "{notices}");
    assert!(!run(folder.path(), &["notices", "retry", notice.trim()]).status.success());
    kijun(&["webhooks", "delete", id]);
    assert!(!kijun(&["webhooks", "list"]).contains(id));
}
