//! What owns keys: projects, service accounts, organisations.

use std::time::Duration;

use identity::{AdministrationError, KeyToMake};
use kernel::Principal;
use store::{ModelMode, ModelPermission, Page, StoreError};

use crate::bench::Bench;

#[tokio::test]
async fn an_archived_project_knows_no_keys_and_takes_none() {
    let bench = Bench::new().await;
    let scope = bench.scope();
    let id = bench.first.project.clone();
    let last = bench.administration.project_archive(&scope, &id).await;
    assert!(matches!(last, Err(AdministrationError::LastProject { .. })));

    let second = bench.administration.project_create(&scope, "Second").await.unwrap();
    bench.administration.project_archive(&scope, &id).await.unwrap();
    assert!(bench.identify(bench.first.api_key.as_ref().unwrap()).await.is_err());
    let new = KeyToMake {
        project: id.clone(),
        name: "x".into(),
        service_account: None,
        expires_at: None,
    };
    let made = bench.administration.api_key_create(&scope, new).await;
    assert!(matches!(made, Err(AdministrationError::Store(StoreError::Conflict { .. }))));
    let account = bench.administration.service_account_create(&scope, &id, "x").await;
    assert!(account.is_err());
    // Archiving again is no mistake, and the second one is now the last.
    bench.administration.project_archive(&scope, &id).await.unwrap();
    assert!(bench.administration.project_archive(&scope, &second.id).await.is_err());
}

#[tokio::test]
async fn a_projects_models_are_kept_in_order_and_once() {
    let bench = Bench::new().await;
    let (scope, id) = (bench.scope(), &bench.first.project);
    let models = |mode, names: &[&str]| ModelPermission {
        mode,
        models: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    let allowed = models(ModelMode::Allow, &["b", "a", "b"]);
    let project = bench.administration.project_models_set(&scope, id, allowed).await.unwrap();
    assert_eq!(project.models, models(ModelMode::Allow, &["a", "b"]));
    let unclear = models(ModelMode::All, &["a"]);
    let refused = bench.administration.project_models_set(&scope, id, unclear).await;
    assert!(matches!(refused, Err(AdministrationError::Invalid { field: "models", .. })));
}

#[tokio::test]
async fn a_service_account_comes_with_a_key_that_ends_with_it() {
    let bench = Bench::new().await;
    let (scope, project) = (bench.scope(), &bench.first.project);
    let made = bench.administration.service_account_create(&scope, project, "robot").await.unwrap();
    assert_eq!(made.key.key.name, "robot");
    match bench.identify(&made.key.secret).await.unwrap() {
        Principal::Project { service_account, .. } => {
            assert_eq!(service_account, Some(made.account.id.clone()));
        }
        Principal::Admin { .. } => panic!("the key administers"),
    }
    bench.administration.service_account_delete(&scope, &made.account.id).await.unwrap();
    assert!(bench.identify(&made.key.secret).await.is_err());
    let page = Page::default();
    let left = bench.administration.service_account_list(&scope, project, &page).await.unwrap();
    assert!(left.data.is_empty());
}

#[tokio::test]
async fn the_last_admin_key_that_works_stays() {
    let bench = Bench::new().await;
    let scope = bench.scope();
    let page = Page::default();
    let first = bench.administration.admin_key_list(&scope, &page).await.unwrap().data.remove(0);
    let soon = bench.now().plus(Duration::from_secs(60));
    let short = bench.administration.admin_key_create(&scope, "short", Some(soon)).await.unwrap();
    bench.advance(Duration::from_secs(60));
    // The other key has expired, so it does not count, and may go.
    let last = bench.administration.admin_key_delete(&scope, &first.id).await;
    assert!(matches!(last, Err(AdministrationError::LastAdminKey { .. })));
    bench.administration.admin_key_delete(&scope, &short.key.id).await.unwrap();

    let second = bench.administration.admin_key_create(&scope, "second", None).await.unwrap();
    bench.administration.admin_key_delete(&scope, &first.id).await.unwrap();
    assert!(bench.identify(bench.first.admin_key.as_ref().unwrap()).await.is_err());
    assert!(bench.identify(&second.secret).await.is_ok());
}

#[tokio::test]
async fn another_organisations_admin_keys_do_not_count() {
    let bench = Bench::new().await;
    // It comes with an admin key of its own.
    bench.administration.organization_create("Other").await.unwrap();
    let page = Page::default();
    let ours = bench.administration.admin_key_list(&bench.scope(), &page).await.unwrap().data;
    assert_eq!(ours.len(), 1);
    assert!(bench.administration.admin_key_delete(&bench.scope(), &ours[0].id).await.is_err());
}

#[tokio::test]
async fn a_new_organisation_comes_with_a_project_and_an_admin_key_of_its_own() {
    let bench = Bench::new().await;
    // Two that were made at one time are listed in the order of their ids, which is chance.
    bench.advance(Duration::from_millis(1));
    let made = bench.administration.organization_create("Other").await.unwrap();
    assert_eq!(made.project.organization, made.organization.id);
    match bench.identify(&made.admin_key).await.unwrap() {
        Principal::Admin { organization, .. } => assert_eq!(organization, made.organization.id),
        Principal::Project { .. } => panic!("the admin key calls models"),
    }
    let all = bench.administration.organization_list().await.unwrap();
    assert_eq!(all.last().unwrap(), &made.organization);
    assert_eq!(all.len(), 2);
}
