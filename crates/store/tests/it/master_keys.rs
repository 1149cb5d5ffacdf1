//! A new master key in the place of the old one, with a crash between any two steps.

use std::sync::Arc;
use std::time::Duration;

use kernel::SystemRng;
use secrecy::ExposeSecret as _;
use store::{Store, StoreError};
use vault::{KeyId, MasterKey, MasterKeys, Vault};

use crate::bench::{Bench, Tenant, store_suite};
use crate::content::fill;

store_suite!(
    a_rotation_changes_every_sealed_value_and_nothing_else,
    a_crash_at_any_step_leaves_everything_readable,
    nodes_follow_the_database,
    a_node_without_the_newest_key_says_so_and_serves_on,
    who_is_gone_is_not_waited_for,
    a_value_set_meanwhile_is_not_lost,
);

/// More projects than are wrapped at once.
const PROJECTS: usize = 130;

struct Keys {
    keys: MasterKeys,
    old: KeyId,
    new: KeyId,
}

impl Keys {
    fn new() -> Self {
        let mut keys = MasterKeys::of(MasterKey::generate(&SystemRng));
        let old = keys.ids().unwrap()[0];
        let new = keys.rotate(&SystemRng).unwrap();
        Self { keys, old, new }
    }

    fn vault(&self, only: &[KeyId]) -> Arc<Vault> {
        let mut keys = MasterKeys::parse(&self.keys.to_text()).unwrap();
        if let [one] = only {
            keys.keep_only(*one).unwrap();
        }
        Arc::new(Vault::with_keys(&keys, Arc::new(SystemRng)).unwrap())
    }
}

/// The bench's database anew, made with the old key.
async fn begin(bench: &Bench, keys: &Keys) -> (Store, Tenant) {
    if bench.url.starts_with("sqlite:") {
        bench.execute("DELETE FROM audit_key; DELETE FROM vault_canary").await;
    } else {
        bench.execute("TRUNCATE audit_key, vault_canary").await;
    }
    let store = bench.reopen(&keys.vault(&[keys.old])).await.unwrap();
    let store = store.by(&kernel::Actor::system("tests"));
    let organization = store.organization_create("Acme").await.unwrap();
    let scope = kernel::Scope::organization(organization.id.clone());
    let mut project = None;
    for number in 0..PROJECTS {
        let made = store.project_create(&scope, &format!("Project {number}")).await.unwrap();
        store.content_key(&made.id).await.unwrap();
        project = Some(made);
    }
    let mut provider = crate::catalog::provider("hub");
    provider.api_key = Some("sk-upstream".to_owned().into());
    store.provider_put(&provider).await.unwrap();
    (store, Tenant { organization, project: project.unwrap(), scope })
}

/// Everything that is sealed can be read with these keys.
async fn readable(bench: &Bench, keys: &Keys, only: &[KeyId]) -> Result<(), StoreError> {
    let store = bench.reopen(&keys.vault(only)).await?;
    let provider = store.provider_list().await?.remove(0);
    assert!(provider.api_key.is_some());
    let organization = store.organization_list().await?.remove(0);
    let scope = kernel::Scope::organization(organization.id);
    let page = store::Page { limit: 100, ..store::Page::default() };
    for project in store.project_list(&scope, &page).await?.data {
        store.content_key(&project.id).await?;
    }
    store.close().await;
    Ok(())
}

async fn rewrap(store: &Store) -> u64 {
    let mut count = 0;
    store.master_key_rewrap(|some| count += some).await.unwrap();
    count
}

async fn a_rotation_changes_every_sealed_value_and_nothing_else(bench: &Bench) {
    let keys = Keys::new();
    let (store, tenant) = begin(bench, &keys).await;
    store.master_keys_replace(&keys.keys).unwrap();
    fill(&bench.through(&store), &tenant, "1", "a canary").await;
    let content = bench.bytes("SELECT body FROM response").await;
    // The projects' keys, a credential and its headers, the audit log's key.
    let values = PROJECTS as u64 + 2 + 1;

    let before = store.master_key_status().await.unwrap();
    assert_eq!((before.newest, before.sealing), (keys.new, keys.old));
    assert_eq!(before.values[&keys.old], values + 1, "with the canary");
    assert!(store.master_key_switch().await.unwrap());
    assert!(!store.master_key_switch().await.unwrap(), "it is done");
    assert_eq!(rewrap(&store).await, values);
    assert_eq!(rewrap(&store).await, 0, "it is done");

    let after = store.master_key_status().await.unwrap();
    assert_eq!(after.sealing, keys.new);
    assert_eq!(after.values.into_iter().collect::<Vec<_>>(), [(keys.new, values + 1)]);
    readable(bench, &keys, &[keys.new]).await.unwrap();
    assert!(readable(bench, &keys, &[keys.old]).await.is_err());
    assert_eq!(bench.bytes("SELECT body FROM response").await, content);
    store.close().await;
}

async fn a_crash_at_any_step_leaves_everything_readable(bench: &Bench) {
    let keys = Keys::new();
    let (store, _) = begin(bench, &keys).await;
    store.close().await;
    readable(bench, &keys, &[]).await.unwrap();
    let store = bench.reopen(&keys.vault(&[])).await.unwrap();
    store.master_key_switch().await.unwrap();
    store.close().await;
    readable(bench, &keys, &[]).await.unwrap();
    // Given up after its first, second, ... transaction.
    for steps in 0..PROJECTS / 100 + 2 {
        let store = bench.reopen(&keys.vault(&[])).await.unwrap();
        let (mut seen, (stop, stopped)) = (0, tokio::sync::oneshot::channel());
        let mut stop = Some(stop);
        let count = |_| {
            seen += 1;
            if seen > steps {
                stop.take().map(|stop| stop.send(()));
            }
        };
        tokio::select! {
            biased;
            _ = stopped => {}
            _ = store.master_key_rewrap(count) => {}
        }
        readable(bench, &keys, &[]).await.unwrap();
        store.close().await;
    }
    let store = bench.reopen(&keys.vault(&[])).await.unwrap();
    rewrap(&store).await;
    let status = store.master_key_status().await.unwrap();
    assert_eq!(status.values.keys().collect::<Vec<_>>(), [&keys.new]);
    store.close().await;
    readable(bench, &keys, &[keys.new]).await.unwrap();
}

async fn nodes_follow_the_database(bench: &Bench) {
    let keys = Keys::new();
    let (one, _) = begin(bench, &keys).await;
    let two = bench.reopen(&keys.vault(&[])).await.unwrap();
    let nodes = async |store: &Store| {
        let nodes = store.master_key_status().await.unwrap().nodes;
        nodes.into_iter().map(|node| (node.node, node.has, node.sealing)).collect::<Vec<_>>()
    };
    let (old, new) = (keys.old.to_string(), keys.new.to_string());
    one.master_key_follow("one").await.unwrap();
    two.master_key_follow("two").await.unwrap();
    let both = vec![new.clone(), old.clone()];
    assert_eq!(
        nodes(&two).await,
        [("one".into(), vec![old.clone()], old.clone()), ("two".into(), both.clone(), old.clone())],
        "nobody seals with a key that somebody lacks"
    );
    one.master_keys_replace(&keys.keys).unwrap();
    one.master_key_follow("one").await.unwrap();
    two.master_key_switch().await.unwrap();
    for (store, name) in [(&one, "one"), (&two, "two")] {
        store.master_key_follow(name).await.unwrap();
    }
    let all = nodes(&one).await;
    assert!(all.iter().all(|(_, has, sealing)| *has == both && *sealing == new), "{all:?}");
    one.close().await;
    two.close().await;
}

async fn a_node_without_the_newest_key_says_so_and_serves_on(bench: &Bench) {
    let keys = Keys::new();
    let (late, tenant) = begin(bench, &keys).await;
    let first = bench.reopen(&keys.vault(&[])).await.unwrap();
    first.master_key_switch().await.unwrap();
    let error = late.master_key_follow("late").await.unwrap_err().to_string();
    assert!(error.contains(&keys.new.to_string()), "{error}");
    // It serves what it can, under the key that the others have too.
    late.content_key(&tenant.project.id).await.unwrap();
    let project = late.project_create(&tenant.scope, "Late").await.unwrap();
    late.content_key(&project.id).await.unwrap();
    first.content_key(&project.id).await.unwrap();
    let nodes = first.master_key_status().await.unwrap().nodes;
    assert_eq!(nodes[0].sealing, keys.old.to_string(), "so the old key must stay");
    assert!(bench.reopen(&keys.vault(&[keys.old])).await.is_err(), "it could not start so");
    late.close().await;
    first.close().await;
}

async fn who_is_gone_is_not_waited_for(bench: &Bench) {
    bench.store.master_key_follow("one").await.unwrap();
    bench.clock.advance(Duration::from_secs(31));
    bench.store.master_key_follow("two").await.unwrap();
    let nodes = bench.store.master_key_status().await.unwrap().nodes;
    assert_eq!(nodes.iter().map(|node| node.node.as_str()).collect::<Vec<_>>(), ["two"]);
    bench.clock.advance(Duration::from_secs(86_400));
    bench.store.master_key_follow("two").await.unwrap();
    assert_eq!(bench.number("SELECT COUNT(*) FROM node_key").await, 1);
}

async fn a_value_set_meanwhile_is_not_lost(bench: &Bench) {
    let keys = Keys::new();
    let (one, _) = begin(bench, &keys).await;
    one.master_keys_replace(&keys.keys).unwrap();
    let other = bench.reopen(&keys.vault(&[])).await.unwrap();
    let other = other.by(&kernel::Actor::system("tests"));
    one.master_key_switch().await.unwrap();
    other.master_key_follow("other").await.unwrap();
    let mut provider = crate::catalog::provider("hub");
    provider.api_key = Some("sk-newer".to_owned().into());
    let (put, ()) = tokio::join!(other.provider_put(&provider), async {
        rewrap(&one).await;
    });
    put.unwrap();
    let found = other.provider_list().await.unwrap().remove(0);
    assert_eq!(found.api_key.unwrap().expose_secret(), "sk-newer");
    one.close().await;
    other.close().await;
}
