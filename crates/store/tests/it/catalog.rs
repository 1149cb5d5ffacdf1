//! Providers, models, limits and prices.

use std::collections::BTreeMap;

use kernel::catalog::{
    FailureClass, Fallback, ModelSpec, ProviderSpec, Source, TargetSpec, Timeouts,
};
use kernel::limit::{LimitMeasure, LimitScope};
use kernel::{Money, Operation, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use store::{NewLimit, NewPrice, StoreError};

use crate::bench::{Bench, new_vault, store_suite};

store_suite!(
    providers_come_back_whole,
    credentials_are_sealed_for_their_row,
    a_provider_in_use_stays,
    models_come_back_whole,
    limits_live_in_their_organisation,
    prices_are_only_added,
);

pub(crate) fn provider(name: &str) -> ProviderSpec {
    ProviderSpec {
        name: name.into(),
        kind: "openai".into(),
        base_url: Some("http://127.0.0.1:18080/v1".into()),
        api_key: Some(SecretString::from("sk-very-secret")),
        quirks: Some("vllm".into()),
        api_version: None,
        headers: BTreeMap::from([("x-team".into(), "hidden-header".into())]),
        timeouts: Timeouts { idle_ms: 7, ..Timeouts::default() },
        max_concurrent: Some(3),
        discover: true,
        source: Source::File,
    }
}

fn model(name: &str, provider: &str) -> ModelSpec {
    ModelSpec {
        name: name.into(),
        targets: vec![TargetSpec {
            provider: provider.into(),
            model: "gpt-4o-mini".into(),
            weight: 2,
            operations: vec![Operation::ChatCompletions],
        }],
        fallbacks: vec![Fallback { model: "other".into(), on: vec![FailureClass::Timeout] }],
        source: Source::Database,
    }
}

async fn providers_come_back_whole(bench: &Bench) {
    let store = &bench.store;
    let put = provider("mock");
    store.provider_put(&put).await.unwrap();
    store.provider_put(&ProviderSpec { discover: false, ..put.clone() }).await.unwrap();
    let [found] = &store.provider_list().await.unwrap()[..] else { panic!("not one") };
    assert_eq!(found.api_key.as_ref().unwrap().expose_secret(), "sk-very-secret");
    let expected = ProviderSpec { discover: false, source: Source::Database, ..put };
    assert_eq!(format!("{found:?}"), format!("{expected:?}"));

    store.provider_update_key("mock", Some(&"sk-2".into())).await.unwrap();
    let found = store.provider_list().await.unwrap().remove(0);
    assert_eq!(found.api_key.unwrap().expose_secret(), "sk-2");
    store.provider_update_key("mock", None).await.unwrap();
    assert!(store.provider_list().await.unwrap().remove(0).api_key.is_none());
    let missing = store.provider_update_key("none", None).await;
    assert!(matches!(missing, Err(StoreError::NotFound { .. })));

    let bare = ProviderSpec {
        base_url: None,
        api_key: None,
        quirks: None,
        headers: BTreeMap::new(),
        max_concurrent: None,
        source: Source::Database,
        ..provider("mock")
    };
    store.provider_put(&bare).await.unwrap();
    let found = store.provider_list().await.unwrap().remove(0);
    assert_eq!(format!("{found:?}"), format!("{bare:?}"));
}

async fn credentials_are_sealed_for_their_row(bench: &Bench) {
    bench.store.provider_put(&provider("a")).await.unwrap();
    bench.store.provider_put(&provider("b")).await.unwrap();
    for column in ["api_key", "headers"] {
        let stored = bench.bytes(&format!("SELECT {column} FROM provider WHERE name = 'a'")).await;
        assert_eq!(stored[0], 1, "the sealed format's version");
        for secret in [&b"very-secret"[..], b"hidden-header"] {
            assert!(!stored.windows(secret.len()).any(|part| part == secret));
        }
    }
    let copy = "UPDATE provider SET api_key = (SELECT api_key FROM provider WHERE name = 'a') \
                WHERE name = 'b'";
    bench.execute(copy).await;
    let error = bench.store.provider_list().await.unwrap_err();
    assert!(matches!(error, StoreError::Sealed { .. }), "{error}");
    assert!(error.to_string().contains("api_key of provider `b`"), "{error}");
    assert!(!error.to_string().contains("sk-very-secret"));

    // The canary stands before all of it.
    assert!(bench.reopen(&new_vault()).await.is_err());
}

async fn a_provider_in_use_stays(bench: &Bench) {
    let store = &bench.store;
    store.provider_put(&provider("mock")).await.unwrap();
    store.model_put(&model("alias", "mock")).await.unwrap();
    let refused = store.provider_delete("mock").await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { .. }));
    assert!(refused.to_string().contains("`alias`"), "{refused}");
    store.model_delete("alias").await.unwrap();
    store.provider_delete("mock").await.unwrap();
    assert!(store.provider_list().await.unwrap().is_empty());
    for missing in [store.provider_delete("mock").await, store.model_delete("alias").await] {
        assert!(matches!(missing, Err(StoreError::NotFound { .. })));
    }
}

async fn models_come_back_whole(bench: &Bench) {
    let store = &bench.store;
    let generation = store.generation().await.unwrap();
    store.model_put(&model("b", "one")).await.unwrap();
    store.model_put(&model("a", "one")).await.unwrap();
    store.model_put(&model("b", "two")).await.unwrap();
    assert_eq!(store.model_list().await.unwrap(), [model("a", "one"), model("b", "two")]);
    assert_eq!(store.generation().await.unwrap(), generation + 3);
    let empty = ModelSpec { targets: Vec::new(), ..model("c", "one") };
    assert!(matches!(store.model_put(&empty).await, Err(StoreError::Invalid { .. })));
}

async fn limits_live_in_their_organisation(bench: &Bench) {
    let (ours, theirs) = (bench.tenant("Ours").await, bench.tenant("Theirs").await);
    let store = &bench.store;
    let new = NewLimit {
        scope: LimitScope::Key,
        subject: None,
        model: Some("gpt-4o".into()),
        measure: LimitMeasure::TokensPerMinute,
        amount: 10_000,
    };
    let mut limit = store.limit_create(&theirs.scope, new.clone()).await.unwrap();
    let refused = store.limit_create(&theirs.project_scope(), new.clone()).await;
    assert!(matches!(refused, Err(StoreError::OutOfScope { .. })));
    let too_much = store.limit_create(&theirs.scope, NewLimit { amount: u64::MAX, ..new }).await;
    assert!(matches!(too_much, Err(StoreError::Invalid { .. })));

    limit.amount = 5;
    for missing in [
        store.limit_update(&ours.scope, &limit.id, 5).await.map(drop),
        store.limit_delete(&ours.scope, &limit.id).await,
    ] {
        assert!(matches!(missing, Err(StoreError::NotFound { .. })));
    }
    let changed = store.limit_update(&theirs.scope, &limit.id, 5).await.unwrap();
    assert_eq!(changed, limit);
    assert_eq!(store.limit_list(&theirs.scope).await.unwrap(), [limit.clone()]);
    assert!(store.limit_list(&ours.scope).await.unwrap().is_empty());
    let all = store.limit_list_all().await.unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!((&all[0].organization, &all[0].limit), (&theirs.organization.id, &limit));
    store.limit_delete(&theirs.scope, &limit.id).await.unwrap();
    assert!(store.limit_list_all().await.unwrap().is_empty());
}

async fn prices_are_only_added(bench: &Bench) {
    let new = |day: i64, dollars: &str| NewPrice {
        provider: "*".into(),
        model: "gpt-4o".into(),
        effective_from: Timestamp::from_secs(day * 86_400),
        rates: BTreeMap::from([("input".into(), Money::parse_dollars(dollars).unwrap())]),
        source: "contract of 2027-01-15".into(),
    };
    let store = &bench.store;
    let later = store.price_put(new(2, "2.50")).await.unwrap();
    bench.clock.advance(std::time::Duration::from_millis(1));
    let first = store.price_put(new(1, "5")).await.unwrap();
    bench.clock.advance(std::time::Duration::from_millis(1));
    let corrected = store.price_put(new(2, "2.25")).await.unwrap();
    assert_eq!(store.price_list().await.unwrap(), [first, later, corrected]);

    let mut negative = new(3, "1");
    negative.rates.insert("output".into(), Money::from_nanos(-1));
    assert!(matches!(store.price_put(negative).await, Err(StoreError::Invalid { .. })));
}
