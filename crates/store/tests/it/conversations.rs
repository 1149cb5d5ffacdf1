//! Conversations keep their items in order, and to themselves.

use std::time::Duration;

use futures_util::future::join_all;
use kernel::ConversationId;
use store::{ItemPage, NewConversation, NewItem};

use crate::bench::{Bench, Tenant, conflict, invalid, not_found, store_suite};

store_suite!(
    conversations_come_back_whole,
    items_come_in_pages_from_both_ends,
    an_item_is_in_a_conversation_once,
    nodes_that_add_at_once_get_places_of_their_own,
    deleting_takes_items_along,
    conversations_are_seen_only_from_their_scope,
);

fn new(id: &str) -> NewConversation {
    NewConversation { id: id.into(), metadata: "{\"topic\":\"日本語\"}".into() }
}

fn item(id: impl Into<String>) -> NewItem {
    let id = id.into();
    NewItem { body: format!("{{\"id\":\"{id}\"}}").into_bytes(), id }
}

async fn ids(bench: &Bench, tenant: &Tenant, page: ItemPage) -> (Vec<String>, bool) {
    let id = "conv_1".into();
    let page = bench.store.conversation_items(&tenant.scope, &id, &page).await.unwrap();
    (page.data.into_iter().map(|item| item.id).collect(), page.has_more)
}

async fn conversations_come_back_whole(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, scope, id) = (&bench.store, tenant.project_scope(), "conv_1".into());
    let made = store.conversation_create(&scope, &new("conv_1"), &[item("msg_1")]).await.unwrap();
    assert_eq!(store.conversation_get(&scope, &id).await.unwrap(), made);
    assert_eq!((made.created_at, &made.metadata), (bench.now(), &new("").metadata));
    let got = store.conversation_item_get(&scope, &id, "msg_1").await.unwrap();
    assert_eq!((got.body, got.created_at), (item("msg_1").body, bench.now()));

    bench.clock.advance(Duration::from_secs(9));
    store.conversation_item_append(&scope, &id, &[item("msg_2")]).await.unwrap();
    assert_eq!(store.conversation_get(&scope, &id).await.unwrap().updated_at, bench.now());
    bench.clock.advance(Duration::from_secs(9));
    let changed = store.conversation_update(&scope, &id, "{}").await.unwrap();
    assert_eq!((changed.metadata.as_str(), changed.updated_at), ("{}", bench.now()));
    assert_eq!(changed.created_at, made.created_at);
    assert_eq!(store.conversation_get(&scope, &id).await.unwrap(), changed);
    assert!(!format!("{:?} {:?} {made:?}", item("msg_1"), new("conv_1")).contains("topic"));
    conflict(store.conversation_create(&scope, &new("conv_1"), &[]).await);
    invalid(store.conversation_create(&tenant.scope, &new("conv_2"), &[]).await);
}

async fn items_come_in_pages_from_both_ends(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let items: Vec<_> = (0..5).map(|number| item(format!("msg_{number}"))).collect();
    let scope = tenant.project_scope();
    bench.store.conversation_create(&scope, &new("conv_1"), &items[..2]).await.unwrap();
    let id = "conv_1".into();
    bench.store.conversation_item_append(&scope, &id, &items[2..]).await.unwrap();
    bench.store.conversation_item_delete(&scope, &id, "msg_1").await.unwrap();

    let page = |after: Option<&str>, limit, descending| ItemPage {
        after: after.map(Into::into),
        limit,
        descending,
    };
    let got = async |page| ids(bench, &tenant, page).await;
    assert_eq!(got(page(None, 2, false)).await, (vec!["msg_0".into(), "msg_2".into()], true));
    assert_eq!(got(page(Some("msg_2"), 2, false)).await.0, ["msg_3", "msg_4"]);
    assert_eq!(got(page(None, 3, true)).await, (words(&["msg_4", "msg_3", "msg_2"]), true));
    assert_eq!(got(page(Some("msg_2"), 3, true)).await, (words(&["msg_0"]), false));
    let gone = page(Some("msg_1"), 3, true);
    not_found(bench.store.conversation_items(&scope, &id, &gone).await);
    let all = bench.store.conversation_items_all(&scope, &id).await.unwrap();
    assert_eq!(all.len(), 4);
    assert_eq!(all[3].body, items[4].body);
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().copied().map(Into::into).collect()
}

async fn an_item_is_in_a_conversation_once(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, scope, id) = (&bench.store, tenant.project_scope(), "conv_1".into());
    conflict(store.conversation_create(&scope, &new("conv_1"), &[item("a"), item("a")]).await);
    not_found(store.conversation_get(&scope, &id).await);
    store.conversation_create(&scope, &new("conv_1"), &[item("a\0b")]).await.unwrap();
    conflict(store.conversation_item_append(&scope, &id, &[item("c"), item("a\0b")]).await);
    assert_eq!(store.conversation_items_all(&scope, &id).await.unwrap().len(), 1);
    assert!(store.conversation_item_get(&scope, &id, "a\0b").await.is_ok());
    // The same item may be in two conversations.
    store.conversation_create(&scope, &new("conv_2"), &[item("a\0b")]).await.unwrap();
}

async fn nodes_that_add_at_once_get_places_of_their_own(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let other = bench.reopen(&bench.vault).await.unwrap();
    let (scope, id) = (tenant.project_scope(), ConversationId::from("conv_1"));
    bench.store.conversation_create(&scope, &new("conv_1"), &[]).await.unwrap();
    let nodes = [&bench.store, &other].into_iter().cycle().take(10).enumerate();
    let added = nodes.map(|(number, node)| {
        let (scope, id) = (scope.clone(), id.clone());
        let items = [item(format!("{number}-0")), item(format!("{number}-1"))];
        async move { node.conversation_item_append(&scope, &id, &items).await }
    });
    for added in join_all(added).await {
        added.unwrap();
    }
    let items = bench.store.conversation_items_all(&scope, &id).await.unwrap();
    assert_eq!(items.len(), 20);
    for pair in items.chunks(2) {
        let (first, second) = (pair[0].id.as_str(), pair[1].id.as_str());
        assert_eq!(first.strip_suffix("-0").unwrap(), second.strip_suffix("-1").unwrap());
    }
    other.close().await;
}

async fn deleting_takes_items_along(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, scope, id) = (&bench.store, tenant.project_scope(), "conv_1".into());
    store.conversation_create(&scope, &new("conv_1"), &[item("a"), item("b")]).await.unwrap();
    store.conversation_item_delete(&scope, &id, "a").await.unwrap();
    not_found(store.conversation_item_get(&scope, &id, "a").await);
    not_found(store.conversation_item_delete(&scope, &id, "a").await);
    store.conversation_delete(&scope, &id).await.unwrap();
    not_found(store.conversation_get(&scope, &id).await);
    not_found(store.conversation_delete(&scope, &id).await);
    not_found(store.conversation_item_append(&scope, &id, &[item("c")]).await);
    assert_eq!(bench.number("SELECT COUNT(*) FROM conversation_item").await, 0);
}

async fn conversations_are_seen_only_from_their_scope(bench: &Bench) {
    let (ours, theirs) = (bench.tenant("Ours").await, bench.tenant("Theirs").await);
    let (store, id) = (&bench.store, "conv_1".into());
    let their_scope = theirs.project_scope();
    let made = store.conversation_create(&their_scope, &new("conv_1"), &[item("a")]).await;
    let second = store.project_create(&theirs.scope, "Second").await.unwrap();
    let beside = kernel::Scope { project: Some(second.id), ..theirs.scope.clone() };
    let page = ItemPage { after: None, limit: 5, descending: false };
    for scope in [ours.project_scope(), ours.scope.clone(), beside] {
        not_found(store.conversation_get(&scope, &id).await);
        not_found(store.conversation_update(&scope, &id, "{}").await);
        not_found(store.conversation_items(&scope, &id, &page).await);
        not_found(store.conversation_items_all(&scope, &id).await);
        not_found(store.conversation_item_append(&scope, &id, &[item("b")]).await);
        not_found(store.conversation_item_get(&scope, &id, "a").await);
        not_found(store.conversation_item_delete(&scope, &id, "a").await);
        not_found(store.conversation_delete(&scope, &id).await);
    }
    assert_eq!(store.conversation_get(&theirs.scope, &id).await.unwrap(), made.unwrap());
    assert_eq!(store.conversation_items_all(&their_scope, &id).await.unwrap().len(), 1);
}
