//! Stored chat completions are found by their notes, and only at home.

use std::collections::BTreeMap;

use kernel::Timestamp;
use store::{ChatCompletionRow, ChatFilter, ItemPage};

use crate::bench::{Bench, Tenant, conflict, not_found, store_suite};

store_suite!(
    chats_come_back_whole,
    chats_are_listed_in_pages_from_both_ends,
    chats_are_found_by_model_and_notes,
    chats_are_seen_only_from_their_project,
);

fn row(tenant: &Tenant, number: i64) -> ChatCompletionRow {
    ChatCompletionRow {
        id: format!("chatcmpl-{number}"),
        organization: tenant.organization.id.clone(),
        project: tenant.project.id.clone(),
        api_key: "key_1".into(),
        service_account: None,
        call: "req_1".into(),
        created_at: Timestamp::from_secs(1_000 + number / 2),
        model: "gpt-5".into(),
        metadata: format!("{{\"odd\":\"{}\",\"all\":\"yes\",\"number\":7}}", number % 2 == 1),
        messages: b"[{\"role\":\"user\"}]".to_vec(),
        body: format!("{{\"number\":{number}}}").into_bytes(),
    }
}

fn filter(after: Option<i64>, limit: u32, descending: bool) -> ChatFilter {
    let after = after.map(|number| format!("chatcmpl-{number}"));
    let page = ItemPage { after, limit, descending };
    ChatFilter { model: None, metadata: BTreeMap::new(), page }
}

async fn numbers(bench: &Bench, tenant: &Tenant, filter: &ChatFilter) -> (Vec<i64>, bool) {
    let scope = tenant.project_scope();
    let page = bench.store.chat_completion_list(&scope, filter).await.unwrap();
    let number = |row: ChatCompletionRow| row.id.rsplit('-').next().unwrap().parse().unwrap();
    (page.data.into_iter().map(number).collect(), page.has_more)
}

async fn chats_come_back_whole(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, scope, chat) = (&bench.store, tenant.project_scope(), row(&tenant, 1));
    store.chat_completion_insert(&scope, &chat).await.unwrap();
    assert_eq!(store.chat_completion_get(&scope, &chat.id).await.unwrap(), chat);
    conflict(store.chat_completion_insert(&scope, &chat).await);
    store.chat_completion_update(&scope, &chat.id, "{}", b"new").await.unwrap();
    let changed = ChatCompletionRow { metadata: "{}".into(), body: b"new".to_vec(), ..chat };
    assert_eq!(store.chat_completion_get(&scope, &changed.id).await.unwrap(), changed);
    assert!(!format!("{changed:?}").contains("gpt-5"), "{changed:?}");
    store.chat_completion_delete(&scope, &changed.id).await.unwrap();
    not_found(store.chat_completion_get(&scope, &changed.id).await);
    not_found(store.chat_completion_delete(&scope, &changed.id).await);
    not_found(store.chat_completion_update(&scope, &changed.id, "{}", b"{}").await);
    not_found(store.chat_completion_get(&scope, "chatcmpl-\0").await);
}

async fn chats_are_listed_in_pages_from_both_ends(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    for number in [3, 0, 4, 1, 2] {
        let row = row(&tenant, number);
        bench.store.chat_completion_insert(&tenant.project_scope(), &row).await.unwrap();
    }
    let list = async |filter: ChatFilter| numbers(bench, &tenant, &filter).await;
    assert_eq!(list(filter(None, 2, false)).await, (vec![0, 1], true));
    assert_eq!(list(filter(Some(1), 2, false)).await, (vec![2, 3], true));
    assert_eq!(list(filter(Some(3), 2, false)).await, (vec![4], false));
    assert_eq!(list(filter(None, 3, true)).await, (vec![4, 3, 2], true));
    assert_eq!(list(filter(Some(2), 3, true)).await, (vec![1, 0], false));
    assert_eq!(list(filter(None, 5, false)).await.0, [0, 1, 2, 3, 4]);
    let scope = tenant.project_scope();
    not_found(bench.store.chat_completion_list(&scope, &filter(Some(9), 2, true)).await);
}

async fn chats_are_found_by_model_and_notes(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let scope = tenant.project_scope();
    // More than are looked through at once.
    for number in 0..230 {
        let mut row = row(&tenant, number);
        row.id = format!("chatcmpl-{number:03}");
        if number == 225 {
            row.metadata = "{\"rare\":\"1\"}".into();
            row.model = "other".into();
        }
        bench.store.chat_completion_insert(&scope, &row).await.unwrap();
    }
    let list = async |filter: ChatFilter| numbers(bench, &tenant, &filter).await;
    let pairs = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    };
    let rare = ChatFilter { metadata: pairs(&[("rare", "1")]), ..filter(None, 10, false) };
    assert_eq!(list(rare).await, (vec![225], false));
    let odd = pairs(&[("odd", "true"), ("all", "yes")]);
    let odd = ChatFilter { metadata: odd, ..filter(None, 2, true) };
    assert_eq!(list(odd.clone()).await, (vec![229, 227], true));
    let page = ItemPage { after: Some("chatcmpl-227".into()), limit: 200, descending: true };
    let (rest, more) = list(ChatFilter { page, ..odd }).await;
    assert_eq!((rest[0], rest.len(), more), (223, 112, false));
    for pairs in [pairs(&[("odd", "perhaps")]), pairs(&[("number", "7")])] {
        let none = ChatFilter { metadata: pairs, ..filter(None, 10, false) };
        assert_eq!(list(none).await, (vec![], false));
    }
    let other = ChatFilter { model: Some("other".into()), ..filter(None, 10, false) };
    assert_eq!(list(other).await, (vec![225], false));
}

async fn chats_are_seen_only_from_their_project(bench: &Bench) {
    let (ours, theirs) = (bench.tenant("Ours").await, bench.tenant("Theirs").await);
    let (store, chat) = (&bench.store, row(&theirs, 1));
    store.chat_completion_insert(&theirs.project_scope(), &chat).await.unwrap();
    let second = store.project_create(&theirs.scope, "Second").await.unwrap();
    let beside = kernel::Scope { project: Some(second.id), ..theirs.scope.clone() };
    let forged = kernel::Scope { project: Some(theirs.project.id.clone()), ..ours.scope.clone() };
    for scope in [ours.project_scope(), beside, forged] {
        not_found(store.chat_completion_get(&scope, &chat.id).await);
        not_found(store.chat_completion_update(&scope, &chat.id, "{}", b"{}").await);
        not_found(store.chat_completion_delete(&scope, &chat.id).await);
        not_found(store.chat_completion_insert(&scope, &chat).await);
        let all = store.chat_completion_list(&scope, &filter(None, 10, false)).await.unwrap();
        assert!(all.data.is_empty());
        not_found(store.chat_completion_list(&scope, &filter(Some(1), 10, false)).await);
    }
    // An id that a provider gave to two projects is no matter.
    store.chat_completion_insert(&ours.project_scope(), &row(&ours, 1)).await.unwrap();
    assert_eq!(store.chat_completion_get(&theirs.project_scope(), &chat.id).await.unwrap(), chat);
}
