//! API keys and admin keys, and the directory that nodes know callers by.

use std::time::Duration;

use kernel::{Clock, Principal, Timestamp};
use store::{Directory, NewAdminKey, Page, StoreError};

use crate::bench::{Bench, secret, store_suite};

store_suite!(
    a_new_key_is_in_the_directory,
    rotation_keeps_the_id_and_overlaps,
    rotation_lets_no_old_secret_live_longer,
    revocation_is_for_good,
    secrets_are_unique,
    keys_are_reached_only_from_their_scope,
    expired_keys_and_archived_projects_leave_the_directory,
    use_is_noted_without_a_change,
    admin_keys_administer_one_organisation,
);

async fn a_new_key_is_in_the_directory(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let key = bench.store.api_key_create(&tenant.scope, tenant.new_key(1)).await.unwrap();
    let directory = bench.store.directory_load().await.unwrap();
    assert_eq!(directory.generation, bench.store.generation().await.unwrap());
    assert_eq!(directory.organizations, std::slice::from_ref(&tenant.organization));
    assert_eq!(directory.projects, std::slice::from_ref(&tenant.project));
    let [found] = directory.secrets.as_slice() else { panic!("{:?}", directory.secrets) };
    assert_eq!(found.hash, [1; 32]);
    assert_eq!(
        found.owner,
        Principal::Project {
            organization: tenant.organization.id,
            project: tenant.project.id,
            key: key.id.clone(),
            service_account: None,
        }
    );
    assert_eq!(bench.store.api_key_find(&[1; 32]).await.unwrap(), Some(key));
    assert_eq!(bench.store.api_key_find(&[2; 32]).await.unwrap(), None);
}

async fn rotation_keeps_the_id_and_overlaps(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let key = bench.store.api_key_create(&tenant.scope, tenant.new_key(1)).await.unwrap();
    let until = bench.clock.now().plus(Duration::from_secs(60));
    let rotated =
        bench.store.api_key_rotate(&tenant.scope, &key.id, &secret(2), until).await.unwrap();
    assert_eq!(rotated.id, key.id);
    assert_eq!(rotated.redacted, secret(2).redacted);
    assert_eq!(working(bench).await, [1, 2]);
    let old = bench.store.api_key_find(&[1; 32]).await.unwrap().unwrap();
    assert_eq!(old, rotated, "an old secret still names its key");

    bench.clock.advance(Duration::from_secs(61));
    assert_eq!(working(bench).await, [2]);
}

async fn rotation_lets_no_old_secret_live_longer(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, now) = (&bench.store, bench.clock.now());
    let in_seconds = |seconds| now.plus(Duration::from_secs(seconds));
    let mut new = tenant.new_key(1);
    new.secret.expires_at = Some(in_seconds(10));
    let key = store.api_key_create(&tenant.scope, new).await.unwrap();
    store.api_key_rotate(&tenant.scope, &key.id, &secret(2), in_seconds(100)).await.unwrap();
    store.api_key_rotate(&tenant.scope, &key.id, &secret(3), in_seconds(50)).await.unwrap();
    assert_eq!(working(bench).await, [1, 2, 3]);
    bench.clock.advance(Duration::from_secs(11));
    assert_eq!(working(bench).await, [2, 3]);
    bench.clock.advance(Duration::from_secs(40));
    assert_eq!(working(bench).await, [3]);
}

async fn revocation_is_for_good(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, scope) = (&bench.store, &tenant.scope);
    let key = store.api_key_create(scope, tenant.new_key(1)).await.unwrap();
    store
        .api_key_rotate(scope, &key.id, &secret(2), Timestamp::from_secs(i32::MAX.into()))
        .await
        .unwrap();
    let revoked = store.api_key_revoke(scope, &key.id).await.unwrap();
    assert_eq!(revoked.revoked_at, Some(bench.clock.now()));
    assert_eq!(working(bench).await, [0u8; 0]);

    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(store.api_key_revoke(scope, &key.id).await.unwrap(), revoked);
    let rotated = store.api_key_rotate(scope, &key.id, &secret(3), bench.clock.now()).await;
    assert!(matches!(rotated, Err(StoreError::Conflict { .. })));
    let list = async |include_archived| {
        let page = Page { include_archived, ..Page::default() };
        store.api_key_list(scope, &tenant.project.id, &page).await.unwrap().data
    };
    assert_eq!(list(false).await, []);
    assert_eq!(list(true).await, [revoked]);
}

async fn secrets_are_unique(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, scope) = (&bench.store, &tenant.scope);
    store.api_key_create(scope, tenant.new_key(1)).await.unwrap();
    let generation = store.generation().await.unwrap();
    let again = store.api_key_create(scope, tenant.new_key(1)).await;
    assert!(matches!(again, Err(StoreError::Conflict { what: "API key", .. })), "{again:?}");
    let other = store.api_key_create(scope, tenant.new_key(2)).await.unwrap();
    let rotated = store.api_key_rotate(scope, &other.id, &secret(1), bench.clock.now()).await;
    assert!(matches!(rotated, Err(StoreError::Conflict { .. })), "{rotated:?}");
    assert_eq!(working(bench).await, [1, 2], "what failed left no trace");
    assert_eq!(store.generation().await.unwrap(), generation + 1);
}

async fn keys_are_reached_only_from_their_scope(bench: &Bench) {
    let (ours, theirs) = (bench.tenant("Ours").await, bench.tenant("Theirs").await);
    let store = &bench.store;
    let key = store.api_key_create(&theirs.scope, theirs.new_key(1)).await.unwrap();
    let second = store.project_create(&theirs.scope, "Second").await.unwrap();
    let beside = kernel::Scope { project: Some(second.id), ..theirs.scope.clone() };
    for scope in [&ours.scope, &ours.project_scope(), &beside] {
        let now = bench.clock.now();
        let refused = [
            store.api_key_get(scope, &key.id).await,
            store.api_key_revoke(scope, &key.id).await,
            store.api_key_rotate(scope, &key.id, &secret(2), now).await,
            store.api_key_create(scope, theirs.new_key(3)).await,
        ];
        for result in refused {
            assert!(matches!(result, Err(StoreError::NotFound { .. })), "{result:?}");
        }
        let list = store.api_key_list(scope, &theirs.project.id, &Page::default()).await;
        assert!(matches!(list, Err(StoreError::NotFound { .. })), "{list:?}");
    }
    assert_eq!(store.api_key_get(&theirs.project_scope(), &key.id).await.unwrap(), key);
}

async fn expired_keys_and_archived_projects_leave_the_directory(bench: &Bench) {
    let (one, two) = (bench.tenant("One").await, bench.tenant("Two").await);
    let mut short = one.new_key(1);
    short.secret.expires_at = Some(bench.clock.now().plus(Duration::from_secs(5)));
    bench.store.api_key_create(&one.scope, short).await.unwrap();
    bench.store.api_key_create(&two.scope, two.new_key(2)).await.unwrap();
    assert_eq!(working(bench).await, [1, 2]);
    bench.clock.advance(Duration::from_secs(5));
    assert_eq!(working(bench).await, [2]);
    let spare = bench.store.project_create(&two.scope, "Spare").await.unwrap();
    bench.store.project_archive(&two.scope, &two.project.id).await.unwrap();
    assert_eq!(working(bench).await, [0u8; 0]);
    let directory = bench.store.directory_load().await.unwrap();
    assert_eq!(directory.projects, [one.project, spare]);
}

async fn use_is_noted_without_a_change(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, scope) = (&bench.store, &tenant.scope);
    let key = store.api_key_create(scope, tenant.new_key(1)).await.unwrap();
    let generation = store.generation().await.unwrap();
    let late = Timestamp::from_secs(2_000);
    store.api_key_touch(&[(key.id.clone(), late), ("key_gone".into(), late)]).await.unwrap();
    store.api_key_touch(&[(key.id.clone(), Timestamp::from_secs(1_000))]).await.unwrap();
    assert_eq!(store.api_key_get(scope, &key.id).await.unwrap().last_used_at, Some(late));
    assert_eq!(store.generation().await.unwrap(), generation);
}

async fn admin_keys_administer_one_organisation(bench: &Bench) {
    let (ours, theirs) = (bench.tenant("Ours").await, bench.tenant("Theirs").await);
    let store = &bench.store;
    let new = || NewAdminKey { name: "root".into(), secret: secret(9) };
    let key = store.admin_key_create(&theirs.scope, new()).await.unwrap();
    assert_eq!(store.admin_key_find(&[9; 32]).await.unwrap().as_ref(), Some(&key));
    let again = store.admin_key_create(&theirs.scope, new()).await;
    assert!(matches!(again, Err(StoreError::Conflict { .. })), "{again:?}");
    for result in [
        store.admin_key_get(&ours.scope, &key.id).await,
        store.admin_key_revoke(&ours.scope, &key.id).await,
    ] {
        assert!(matches!(result, Err(StoreError::NotFound { .. })), "{result:?}");
    }
    let narrow = store.admin_key_list(&theirs.project_scope(), &Page::default()).await;
    assert!(matches!(narrow, Err(StoreError::OutOfScope { .. })), "{narrow:?}");

    let directory = store.directory_load().await.unwrap();
    let owner = Principal::Admin { organization: theirs.organization.id, key: key.id.clone() };
    assert_eq!(directory.secrets.iter().map(|row| &row.owner).collect::<Vec<_>>(), [&owner]);

    store.admin_key_touch(&[(key.id.clone(), Timestamp::from_secs(7))]).await.unwrap();
    let last = store.admin_key_revoke(&theirs.scope, &key.id).await;
    assert!(matches!(last, Err(StoreError::LastOne { .. })), "{last:?}");
    let spare = NewAdminKey { name: "spare".into(), secret: secret(8) };
    let spare = store.admin_key_create(&theirs.scope, spare).await.unwrap();
    let revoked = store.admin_key_revoke(&theirs.scope, &key.id).await.unwrap();
    assert_eq!(revoked.last_used_at, Some(Timestamp::from_secs(7)));
    let left = store.admin_key_list(&theirs.scope, &Page::default()).await.unwrap().data;
    assert_eq!(left, [spare]);
    assert_eq!(working(bench).await, [8]);
}

/// The first bytes of the hashes that are in the directory.
async fn working(bench: &Bench) -> Vec<u8> {
    let Directory { secrets, .. } = bench.store.directory_load().await.unwrap();
    let mut hashes: Vec<_> = secrets.iter().map(|row| row.hash[0]).collect();
    hashes.sort_unstable();
    hashes
}
