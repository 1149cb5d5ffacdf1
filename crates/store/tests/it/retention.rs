//! What is set for how long content is kept.

use kernel::{RetentionSetting, RetentionType, Scope};
use store::RetentionRow;

use crate::bench::{Bench, invalid, not_found, store_suite};

store_suite!(
    settings_are_kept_apart,
    every_kind_is_kept_as_it_was_set,
    a_setting_reaches_every_node,
    wrong_settings_are_refused,
);

const fn set(kind: RetentionType, days: Option<u32>) -> RetentionSetting {
    RetentionSetting { kind, days }
}

async fn settings_are_kept_apart(bench: &Bench) {
    let (ours, theirs) = (bench.tenant("Ours").await, bench.tenant("Theirs").await);
    let (store, project) = (&bench.store, ours.project_scope());
    assert_eq!(store.retention_get(&ours.scope).await.unwrap(), None);
    let whole = set(RetentionType::ZeroDataRetention, Some(7));
    let own = set(RetentionType::OrganizationDefault, None);
    store.retention_put(&ours.scope, whole).await.unwrap();
    assert_eq!(store.retention_get(&project).await.unwrap(), None);
    store.retention_put(&project, set(RetentionType::None, Some(3_650))).await.unwrap();
    store.retention_put(&project, own).await.unwrap();
    assert_eq!(store.retention_get(&ours.scope).await.unwrap(), Some(whole));
    assert_eq!(store.retention_get(&project).await.unwrap(), Some(own));
    assert_eq!(store.retention_get(&theirs.scope).await.unwrap(), None);
    let organization = &ours.organization.id;
    let mut all = store.retention_list().await.unwrap();
    all.sort_by_key(|row| row.project.is_some());
    let row =
        |project, setting| RetentionRow { organization: organization.clone(), project, setting };
    assert_eq!(all, [row(None, whole), row(project.project, own)]);
}

async fn every_kind_is_kept_as_it_was_set(bench: &Bench) {
    let scope = bench.tenant("Acme").await.project_scope();
    for kind in [
        RetentionType::OrganizationDefault,
        RetentionType::None,
        RetentionType::ZeroDataRetention,
        RetentionType::ModifiedAbuseMonitoring,
        RetentionType::EnhancedZeroDataRetention,
        RetentionType::EnhancedModifiedAbuseMonitoring,
    ] {
        bench.store.retention_put(&scope, set(kind, None)).await.unwrap();
        assert_eq!(bench.store.retention_get(&scope).await.unwrap(), Some(set(kind, None)));
    }
}

async fn a_setting_reaches_every_node(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let before = bench.store.generation().await.unwrap();
    let setting = set(RetentionType::ModifiedAbuseMonitoring, Some(1));
    bench.store.retention_put(&tenant.scope, setting).await.unwrap();
    assert_eq!(bench.store.generation().await.unwrap(), before + 1);
}

async fn wrong_settings_are_refused(bench: &Bench) {
    let (ours, theirs) = (bench.tenant("Ours").await, bench.tenant("Theirs").await);
    let store = &bench.store;
    for days in [0, 3_651] {
        let wrong = set(RetentionType::ModifiedAbuseMonitoring, Some(days));
        invalid(store.retention_put(&ours.scope, wrong).await);
    }
    for kind in [RetentionType::OrganizationDefault, RetentionType::None] {
        invalid(store.retention_put(&ours.scope, set(kind, None)).await);
    }
    let foreign = Scope { project: Some(theirs.project.id), ..ours.scope.clone() };
    not_found(store.retention_put(&foreign, set(RetentionType::None, None)).await);
    not_found(
        store
            .retention_put(
                &Scope::organization("org-none".into()),
                set(RetentionType::ZeroDataRetention, None),
            )
            .await,
    );
    assert!(store.retention_list().await.unwrap().is_empty());
}
