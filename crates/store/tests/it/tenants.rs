//! Organisations, projects and service accounts, and the walls between tenants.

use kernel::{OrganizationId, Role, Scope};
use store::{
    ModelMode, ModelPermission, NewServiceAccount, Page, ProjectStatus, Store, StoreError,
};

use crate::bench::{Bench, Tenant, invalid, not_found, store_suite};

store_suite!(
    projects_live_in_their_organisation,
    project_lists_come_in_pages,
    archived_projects_take_no_new_keys,
    names_are_checked,
    service_accounts_live_in_their_project,
    deleting_a_service_account_revokes_its_keys,
    every_change_raises_the_generation,
);

async fn projects_live_in_their_organisation(bench: &Bench) {
    let store = &bench.store;
    let (ours, theirs) = (bench.tenant("Ours").await, bench.tenant("Theirs").await);
    let id = &theirs.project.id;
    not_found(store.project_get(&ours.scope, id).await);
    not_found(store.project_update(&ours.scope, id, "Taken").await);
    not_found(store.project_archive(&ours.scope, id).await);
    not_found(store.project_models_set(&ours.scope, id, &ModelPermission::all()).await);
    let nowhere = Scope::organization(OrganizationId::from("org-none"));
    not_found(store.project_create(&nowhere, "Lost").await);
    assert_eq!(store.project_get(&theirs.scope, id).await.unwrap(), theirs.project);

    let second = store.project_create(&ours.scope, "Second").await.unwrap();
    let narrow = ours.project_scope();
    not_found(store.project_get(&narrow, &second.id).await);
    let seen = store.project_list(&narrow, &Page::default()).await.unwrap();
    assert_eq!(seen.data, [ours.project]);
    let refused = store.project_create(&narrow, "Third").await;
    assert!(matches!(refused, Err(StoreError::OutOfScope { .. })));
}

async fn project_lists_come_in_pages(bench: &Bench) {
    let Tenant { scope, project, .. } = bench.tenant("Acme").await;
    let mut made = vec![project];
    for n in 0..4 {
        bench.clock.advance(std::time::Duration::from_millis(1));
        made.push(bench.store.project_create(&scope, &format!("P{n}")).await.unwrap());
    }
    let archived = bench.store.project_archive(&scope, &made.remove(2).id).await.unwrap();

    let mut seen = Vec::new();
    let mut page = Page { limit: 2, ..Page::default() };
    loop {
        let part = bench.store.project_list(&scope, &page).await.unwrap();
        page.after = part.data.last().map(|project| project.id.to_string());
        seen.extend(part.data);
        if !part.has_more {
            break;
        }
    }
    assert_eq!(seen, made);
    let all = Page { include_archived: true, ..Page::default() };
    let all = bench.store.project_list(&scope, &all).await.unwrap();
    assert_eq!(all.data.len(), 5);
    assert!(all.data.contains(&archived));
}

async fn archived_projects_take_no_new_keys(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, scope, id) = (&bench.store, &tenant.scope, &tenant.project.id);
    let last = store.project_archive(scope, id).await;
    assert!(matches!(last, Err(StoreError::LastOne { what: "project", .. })), "{last:?}");
    store.project_create(scope, "Spare").await.unwrap();
    let archived = store.project_archive(scope, id).await.unwrap();
    assert_eq!(archived.status(), ProjectStatus::Archived);
    bench.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(store.project_archive(scope, id).await.unwrap(), archived);
    let refused = store.api_key_create(scope, tenant.new_key(1)).await;
    assert!(matches!(refused, Err(StoreError::Conflict { what: "project", .. })));
}

async fn names_are_checked(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    for wrong in ["", "   ", "a\0b", "line\nbreak"] {
        invalid(bench.store.organization_create(wrong).await);
        invalid(bench.store.project_create(&tenant.scope, wrong).await);
        invalid(bench.store.project_update(&tenant.scope, &tenant.project.id, wrong).await);
    }
    let renamed =
        bench.store.project_update(&tenant.scope, &tenant.project.id, " 日本語 ").await.unwrap();
    assert_eq!(renamed.name, "日本語");
}

async fn service_accounts_live_in_their_project(bench: &Bench) {
    let (ours, theirs) = (bench.tenant("Ours").await, bench.tenant("Theirs").await);
    let account = account(&bench.store, &theirs).await;
    let list = async |scope: &Scope| {
        bench.store.service_account_list(scope, &theirs.project.id, &Page::default()).await
    };
    assert_eq!(list(&theirs.scope).await.unwrap().data, std::slice::from_ref(&account));
    not_found(list(&ours.scope).await);
    not_found(bench.store.service_account_get(&ours.scope, &account.id).await);
    not_found(bench.store.service_account_delete(&ours.scope, &account.id).await);
    let mut key = ours.new_key(1);
    key.service_account = Some(account.id);
    not_found(bench.store.api_key_create(&ours.scope, key).await);
}

async fn deleting_a_service_account_revokes_its_keys(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, scope) = (&bench.store, &tenant.scope);
    let account = account(store, &tenant).await;
    let mut new = tenant.new_key(1);
    new.service_account = Some(account.id.clone());
    let owned = store.api_key_create(scope, new).await.unwrap();
    let other = store.api_key_create(scope, tenant.new_key(2)).await.unwrap();

    store.service_account_delete(scope, &account.id).await.unwrap();
    not_found(store.service_account_get(scope, &account.id).await);
    not_found(store.service_account_delete(scope, &account.id).await);
    assert!(store.api_key_get(scope, &owned.id).await.unwrap().revoked_at.is_some());
    assert!(store.api_key_get(scope, &other.id).await.unwrap().revoked_at.is_none());
}

async fn every_change_raises_the_generation(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, scope, id) = (&bench.store, &tenant.scope, &tenant.project.id);
    store.project_create(scope, "Spare").await.unwrap();
    let before = store.generation().await.unwrap();
    let models = ModelPermission { mode: ModelMode::Deny, models: vec!["gpt-4o".into()] };
    let project = store.project_models_set(scope, id, &models).await.unwrap();
    assert_eq!(project.models, models);
    assert_eq!(store.generation().await.unwrap(), before + 1);
    store.project_archive(scope, id).await.unwrap();
    assert_eq!(store.generation().await.unwrap(), before + 2);
    // What fails changes nothing.
    not_found(store.project_archive(scope, &"proj_none".into()).await);
    assert_eq!(store.generation().await.unwrap(), before + 2);
}

async fn account(store: &Store, tenant: &Tenant) -> store::ServiceAccount {
    let new = NewServiceAccount {
        project: tenant.project.id.clone(),
        name: "builder".into(),
        role: Role::Member,
    };
    store.service_account_create(&tenant.scope, new).await.unwrap()
}
