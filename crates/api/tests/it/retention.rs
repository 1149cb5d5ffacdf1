//! How long content is kept, and the list of what was deleted.

use kernel::{Scope, Timestamp};
use serde_json::{Value, json};
use store::{ContentKind, NewDeletion, Pending};

use crate::app::TestApp;

#[tokio::test]
async fn settings_have_openais_shape_and_days() {
    let app = TestApp::start().await;
    let first = app.admin("GET", "/data_retention", Value::Null).await;
    let object = "organization.data_retention";
    let expected =
        json!({"object": object, "type": "modified_abuse_monitoring", "retention_days": 30});
    assert_eq!(first, expected);
    let change =
        json!({"retention_type": "enhanced_modified_abuse_monitoring", "retention_days": 90});
    let changed = app.admin("POST", "/data_retention", change).await;
    let expected = json!({"object": object, "type": "enhanced_modified_abuse_monitoring", "retention_days": 90});
    assert_eq!(changed, expected);
    assert_eq!(app.admin("GET", "/data_retention", Value::Null).await, expected);
    // As OpenAI's own client sends it: the days stay.
    let change = json!({"retention_type": "modified_abuse_monitoring"});
    assert_eq!(app.admin("POST", "/data_retention", change.clone()).await["retention_days"], 90);

    let path = format!("/projects/{}/data_retention", app.home.project);
    let first = app.admin("GET", &path, Value::Null).await;
    let object = "project.data_retention";
    assert_eq!(
        first,
        json!({"object": object, "type": "organization_default", "retention_days": 90})
    );
    let change = json!({"retention_type": "none", "retention_days": 7});
    let changed = app.admin("POST", &path, change).await;
    assert_eq!(changed, json!({"object": object, "type": "none", "retention_days": 7}));
    let change = json!({"retention_type": "none", "retention_days": null});
    assert_eq!(app.admin("POST", &path, change).await["retention_days"], 90);
    assert_eq!(app.admin("GET", &path, Value::Null).await["type"], "none");
}

#[tokio::test]
async fn what_cannot_be_set_is_refused_by_its_field() {
    let app = TestApp::start().await;
    let project = format!("/projects/{}/data_retention", app.home.project);
    for (path, body, param) in [
        ("/data_retention", json!({}), "retention_type"),
        ("/data_retention", json!({"retention_type": "none"}), "retention_type"),
        ("/data_retention", json!({"retention_type": "organization_default"}), "retention_type"),
        (&*project, json!({"retention_type": "for_ever"}), "retention_type"),
        (&*project, json!({"retention_type": "none", "retention_days": 0}), "retention_days"),
        (&*project, json!({"retention_type": "none", "retention_days": 3651}), "retention_days"),
        (&*project, json!({"retention_type": "none", "retention_days": -1}), "retention_days"),
        (&*project, json!({"retention_type": "none", "days": 5}), "days"),
    ] {
        let error = app.try_admin("POST", path, body.clone()).await.is_error(400);
        assert_eq!(error["param"], param, "{path} {body}: {error}");
    }
}

#[tokio::test]
async fn one_organizations_settings_are_not_anothers() {
    let app = TestApp::start().await;
    let neighbour = app.neighbour().await;
    let change = json!({"retention_type": "zero_data_retention"});
    app.admin("POST", "/data_retention", change).await;
    let path = "/v1/organization/data_retention";
    let theirs = app.ask("GET", path, &neighbour.admin_key, Value::Null).await.json();
    assert_eq!(theirs["type"], "modified_abuse_monitoring");
}

#[tokio::test]
async fn deletions_are_listed_with_their_proof() {
    let app = TestApp::start().await;
    let scope = Scope {
        organization: app.home.organization.clone(),
        project: Some(app.home.project.clone()),
    };
    let new = NewDeletion {
        kind: ContentKind::File,
        cutoff: Timestamp::from_secs(1_790_000_000),
        bytes: 12,
        digest: "ab".repeat(32),
        pending: Pending { ids: vec!["file-1".to_owned()], blobs: vec!["b".repeat(32)] },
    };
    let begun = app.store.deletion_begin(&scope, &new).await.unwrap();
    let list = app.admin("GET", "/deletions", Value::Null).await;
    let expected = json!({
        "object": "organization.deletion", "id": begun.id, "project_id": app.home.project.as_str(),
        "kind": "file", "cutoff": 1_790_000_000, "started_at": 1_800_000_000, "verified_at": null,
        "verified": false, "rows": 1, "blobs": 1, "bytes": 12, "digest": new.digest,
    });
    assert_eq!(list["data"], json!([expected]));
    app.store.deletion_prove(&scope, &begun.id).await.unwrap();
    let list = app.admin("GET", "/deletions", Value::Null).await;
    assert_eq!(list["data"][0]["verified_at"], 1_800_000_000);
    assert_eq!(list["data"][0]["verified"], true);
    assert!(!list.to_string().contains("file-1"), "the ids are no part of it");

    let of_project = format!("/deletions?project_id={}", app.home.project);
    assert_eq!(app.admin("GET", &of_project, Value::Null).await["data"][0]["id"], begun.id);
    let of_another = app.admin("GET", "/deletions?project_id=proj_other", Value::Null).await;
    assert_eq!(of_another["data"], json!([]));
    let neighbour = app.neighbour().await;
    let path = "/v1/organization/deletions";
    let theirs = app.ask("GET", path, &neighbour.admin_key, Value::Null).await.json();
    assert_eq!(theirs["data"], json!([]));
}
