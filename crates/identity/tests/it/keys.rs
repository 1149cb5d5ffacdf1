//! API keys: made, rotated, expired, revoked.

use std::time::Duration;

use identity::{AdministrationError, IdentityError, KeyToMake, Rotation};
use kernel::{Principal, Scope};
use secrecy::ExposeSecret;
use store::{Page, StoreError};

use crate::bench::Bench;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

fn key(bench: &Bench) -> KeyToMake {
    KeyToMake {
        project: bench.first.project.clone(),
        name: " production ".into(),
        service_account: None,
        expires_at: None,
    }
}

#[tokio::test]
async fn a_key_is_shown_once_and_stored_as_a_hash() {
    let bench = Bench::new().await;
    let made = bench.administration.api_key_create(&bench.scope(), key(&bench)).await.unwrap();
    assert_eq!(made.key.name, "production");
    let text = made.secret.expose_secret();
    assert!(!format!("{made:?}").contains(text));
    let listed = bench
        .administration
        .api_key_list(&bench.scope(), &bench.first.project, &Page::default())
        .await
        .unwrap();
    assert!(listed.data.contains(&made.key));
    assert!(!format!("{listed:?}").contains(&text[10..30]));
    assert!(made.key.redacted.ends_with(&text[text.len() - 4..]));
    let Principal::Project { key, .. } = bench.identify(&made.secret).await.unwrap() else {
        panic!("the key administers");
    };
    assert_eq!(key, made.key.id);
}

#[tokio::test]
async fn a_key_expires_in_a_directory_that_was_read_before() {
    let bench = Bench::new().await;
    let end = bench.now().plus(HOUR);
    let new = KeyToMake { expires_at: Some(end), ..key(&bench) };
    let made = bench.administration.api_key_create(&bench.scope(), new).await.unwrap();
    assert!(bench.identify(&made.secret).await.is_ok());
    bench.advance(HOUR);
    let error = bench.identify(&made.secret).await.unwrap_err();
    assert!(matches!(error, IdentityError::Unknown { .. } | IdentityError::Expired { .. }));

    let past = KeyToMake { expires_at: Some(bench.now()), ..key(&bench) };
    let error = bench.administration.api_key_create(&bench.scope(), past).await.unwrap_err();
    assert!(matches!(error, AdministrationError::Invalid { field: "expires_at", .. }));
}

#[tokio::test]
async fn both_secrets_work_while_a_rotation_overlaps() {
    let bench = Bench::new().await;
    let scope = bench.scope();
    let old = bench.administration.api_key_create(&scope, key(&bench)).await.unwrap();
    let rotation = Rotation::default();
    let new = bench.administration.api_key_rotate(&scope, &old.key.id, rotation).await.unwrap();
    assert_eq!(new.key.id, old.key.id);
    assert_ne!(new.key.redacted, old.key.redacted);
    bench.advance(DAY - Duration::from_micros(1));
    assert_eq!(bench.identify(&old.secret).await, bench.identify(&new.secret).await);
    assert!(bench.identify(&old.secret).await.is_ok());
    bench.advance(Duration::from_micros(1));
    assert!(bench.identify(&old.secret).await.is_err());
    assert!(bench.identify(&new.secret).await.is_ok());

    let at_once = Rotation { overlap: Some(Duration::ZERO), expires_at: None };
    let newest = bench.administration.api_key_rotate(&scope, &old.key.id, at_once).await.unwrap();
    assert!(bench.identify(&new.secret).await.is_err());
    assert!(bench.identify(&newest.secret).await.is_ok());
}

#[tokio::test]
async fn a_rotation_neither_prolongs_a_key_nor_overlaps_for_ever() {
    let bench = Bench::new().await;
    let scope = bench.scope();
    let end = bench.now().plus(90 * DAY);
    let new = KeyToMake { expires_at: Some(end), ..key(&bench) };
    let made = bench.administration.api_key_create(&scope, new).await.unwrap();
    let id = &made.key.id;
    let rotated = bench.administration.api_key_rotate(&scope, id, Rotation::default()).await;
    assert_eq!(rotated.unwrap().key.expires_at, Some(end));
    let long = Rotation { overlap: Some(30 * DAY + HOUR), expires_at: None };
    let error = bench.administration.api_key_rotate(&scope, id, long).await.unwrap_err();
    assert!(matches!(error, AdministrationError::Invalid { field: "overlap", .. }));
    bench.advance(100 * DAY);
    let late = bench.administration.api_key_rotate(&scope, id, Rotation::default()).await;
    assert!(matches!(late, Err(AdministrationError::Invalid { field: "expires_at", .. })));
}

#[tokio::test]
async fn a_revoked_key_is_unknown_with_all_its_secrets_and_cannot_be_rotated() {
    let bench = Bench::new().await;
    let scope = bench.scope();
    let old = bench.administration.api_key_create(&scope, key(&bench)).await.unwrap();
    let id = &old.key.id;
    let new = bench.administration.api_key_rotate(&scope, id, Rotation::default()).await.unwrap();
    bench.administration.api_key_revoke(&scope, id).await.unwrap();
    for secret in [&old.secret, &new.secret] {
        let error = bench.identify(secret).await.unwrap_err();
        assert!(matches!(error, IdentityError::Unknown { .. }));
    }
    let rotated = bench.administration.api_key_rotate(&scope, id, Rotation::default()).await;
    assert!(matches!(rotated, Err(AdministrationError::Store(StoreError::Conflict { .. }))));
}

#[tokio::test]
async fn another_organisation_reaches_no_key() {
    let bench = Bench::new().await;
    let made = bench.administration.api_key_create(&bench.scope(), key(&bench)).await.unwrap();
    let other = bench.administration.organization_create("Other").await.unwrap().organization;
    let foreign = Scope::organization(other.id);
    let id = &made.key.id;
    assert!(bench.administration.api_key_get(&foreign, id).await.is_err());
    assert!(bench.administration.api_key_revoke(&foreign, id).await.is_err());
    let rotated = bench.administration.api_key_rotate(&foreign, id, Rotation::default()).await;
    assert!(matches!(rotated, Err(AdministrationError::Store(StoreError::NotFound { .. }))));
    assert!(bench.administration.api_key_create(&foreign, key(&bench)).await.is_err());
    assert!(bench.identify(&made.secret).await.is_ok());
}
