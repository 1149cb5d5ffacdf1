//! The first start and the ones after it.

use identity::{AdministrationError, Bootstrap, Directory, Presented};
use kernel::{Clock, Principal, Scope};
use secrecy::ExposeSecret;
use store::Page;

use crate::bench::{Bench, empty};

fn given(api_key: Option<&str>, admin_key: Option<&str>) -> Bootstrap {
    Bootstrap { api_key: api_key.map(Into::into), admin_key: admin_key.map(Into::into) }
}

#[tokio::test]
async fn the_first_start_makes_keys_that_work_and_the_second_finds_them() {
    let bench = Bench::new().await;
    let api_key = bench.first.api_key.clone().unwrap();
    assert!(api_key.expose_secret().starts_with("sk-kj-"));
    match bench.identify(&api_key).await.unwrap() {
        Principal::Project { organization, project, service_account, .. } => {
            assert_eq!(organization, bench.first.organization);
            assert_eq!(project, bench.first.project);
            assert_eq!(service_account, None);
        }
        Principal::Admin { .. } => panic!("the API key administers"),
    }
    let admin_key = bench.first.admin_key.clone().unwrap();
    assert!(matches!(bench.identify(&admin_key).await.unwrap(), Principal::Admin { .. }));

    let again = bench.administration.bootstrap(Bootstrap::default()).await.unwrap();
    assert_eq!(again.organization, bench.first.organization);
    assert_eq!(again.project, bench.first.project);
    assert!(again.api_key.is_none() && again.admin_key.is_none());
    assert!(!format!("{:?}", bench.first).contains(api_key.expose_secret()));
}

#[tokio::test]
async fn given_keys_are_added_once_and_replace_generated_ones() {
    let (administration, store, clock) = empty().await;
    for _ in 0..3 {
        let first = administration
            .bootstrap(given(Some("test-key-1"), Some("test-admin-1")))
            .await
            .unwrap();
        assert!(first.api_key.is_none() && first.admin_key.is_none());
    }
    let later = administration.bootstrap(given(Some("test-key-2"), None)).await.unwrap();
    assert!(later.admin_key.is_none(), "a key was given before; none is made");

    let stored = store.directory_load().await.unwrap();
    assert_eq!(stored.secrets.len(), 3);
    let directory = Directory::new(&stored);
    for (key, admin) in [("test-key-1", false), ("test-key-2", false), ("test-admin-1", true)] {
        let presented = Presented { authorization: None, api_key: Some(key) };
        let principal = directory.identify(presented, clock.now()).unwrap();
        assert_eq!(matches!(**principal, Principal::Admin { .. }), admin, "{key}");
    }
}

#[tokio::test]
async fn a_given_key_that_was_revoked_stays_revoked() {
    let bench = Bench::new().await;
    let first = bench.administration.bootstrap(given(Some("test-key-1"), None)).await.unwrap();
    let keys = bench
        .administration
        .api_key_list(&bench.scope(), &first.project, &Page::default())
        .await
        .unwrap();
    let key = keys.data.iter().find(|key| key.name == "Bootstrap key").unwrap();
    bench.administration.api_key_revoke(&bench.scope(), &key.id).await.unwrap();
    bench.administration.bootstrap(given(Some("test-key-1"), None)).await.unwrap();
    assert!(bench.identify(&"test-key-1".into()).await.is_err());
}

#[tokio::test]
async fn weak_and_shared_keys_are_refused_and_nothing_is_made() {
    let (administration, store, _) = empty().await;
    for (wrong, field) in [
        (given(Some("short"), None), "KIJUN_BOOTSTRAP_API_KEY"),
        (given(None, Some("with a blank")), "KIJUN_BOOTSTRAP_ADMIN_KEY"),
        (given(Some("the-same-key"), Some("the-same-key")), "KIJUN_BOOTSTRAP_API_KEY"),
    ] {
        match administration.bootstrap(wrong).await {
            Err(AdministrationError::Invalid { field: found, .. }) => assert_eq!(found, field),
            other => panic!("{other:?}"),
        }
    }
    assert!(store.organization_list().await.unwrap().is_empty());

    administration.bootstrap(given(Some("test-key-1"), Some("test-admin-1"))).await.unwrap();
    for swapped in [given(Some("test-admin-1"), None), given(None, Some("test-key-1"))] {
        assert!(administration.bootstrap(swapped).await.is_err());
    }
}

#[tokio::test]
async fn an_archived_first_project_is_replaced_by_the_next() {
    let bench = Bench::new().await;
    let scope: Scope = bench.scope();
    let second = bench.administration.project_create(&scope, "Second").await.unwrap();
    bench.administration.project_archive(&scope, &bench.first.project).await.unwrap();
    let again = bench.administration.bootstrap(given(Some("test-key-1"), None)).await.unwrap();
    assert_eq!(again.project, second.id);
    assert!(bench.identify(&"test-key-1".into()).await.is_ok());
}

#[tokio::test]
async fn nodes_that_start_at_once_make_one_of_each() {
    let (administration, store, clock) = empty().await;
    let starts = (0..4).map(|_| administration.bootstrap(Bootstrap::default()));
    let starts = futures_util::future::join_all(starts).await;
    let firsts: Vec<_> = starts.into_iter().map(Result::unwrap).collect();
    assert_eq!(store.organization_list().await.unwrap().len(), 1);
    assert!(firsts.iter().all(|first| first.project == firsts[0].project));
    let api_keys: Vec<_> = firsts.iter().filter_map(|first| first.api_key.as_ref()).collect();
    let admin_keys: Vec<_> = firsts.iter().filter_map(|first| first.admin_key.as_ref()).collect();
    assert_eq!((api_keys.len(), admin_keys.len()), (1, 1), "shown by one node");
    let directory = Directory::new(&store.directory_load().await.unwrap());
    for key in [api_keys[0], admin_keys[0]] {
        let presented = Presented { authorization: None, api_key: Some(key.expose_secret()) };
        assert!(directory.identify(presented, clock.now()).is_ok());
    }
    assert_eq!(store.directory_load().await.unwrap().secrets.len(), 2, "no others work");
}
