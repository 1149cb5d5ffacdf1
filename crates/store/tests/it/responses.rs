//! Responses: kept, chained, claimed by nodes, and ended once.

use std::time::Duration;

use futures_util::future::join_all;
use kernel::{ConversationId, ResponseId, Timestamp};
use store::{
    ItemPage, Lease, NewConversation, NewItem, ResponseRow, ResponseStatus, Store, StoreError,
};

use crate::bench::{Bench, Tenant, conflict, invalid, not_found, store_suite};

store_suite!(
    responses_come_back_whole,
    a_group_is_written_whole_or_not_at_all,
    responses_are_seen_only_from_their_scope,
    a_chain_comes_oldest_first,
    a_broken_chain_names_what_is_missing,
    one_of_many_ends_a_response,
    an_ended_response_adds_to_its_conversation,
    nodes_claim_each_response_once,
    a_dead_nodes_queue_is_taken_over,
    a_lease_is_renewed_by_its_node_alone,
    orphans_are_those_whose_lease_is_over,
    events_come_back_from_where_they_are_wanted,
    a_deleted_response_takes_its_events_along,
    a_damaged_row_does_not_hold_up_the_queue,
);

const MINUTE: Duration = Duration::from_secs(60);

pub(crate) fn row(tenant: &Tenant, id: &str, status: ResponseStatus) -> ResponseRow {
    ResponseRow {
        id: id.into(),
        organization: tenant.organization.id.clone(),
        project: tenant.project.id.clone(),
        api_key: "key_1".into(),
        service_account: Some("svc_acct_1".into()),
        call: "req_1".into(),
        created_at: Timestamp::from_secs(1_800_000_000),
        completed_at: status.is_final().then_some(Timestamp::from_secs(1_800_000_001)),
        model: "gpt-5".into(),
        status,
        background: true,
        streamed: true,
        previous: None,
        conversation: None,
        input: b"[{\"content\":\"input\"}]".to_vec(),
        body: b"{\"object\":\"response\"}".to_vec(),
        request: Some(b"{\"tools\":[]}".to_vec()),
    }
}

fn item(id: &str) -> NewItem {
    NewItem { id: id.into(), body: format!("{{\"id\":\"{id}\"}}").into_bytes() }
}

async fn insert(store: &Store, tenant: &Tenant, row: ResponseRow, lease: Option<Lease<'_>>) {
    store.response_insert(&tenant.project_scope(), &[(row, vec![])], lease).await.unwrap();
}

async fn responses_come_back_whole(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let scope = tenant.project_scope();
    let full = row(&tenant, "resp_1", ResponseStatus::Completed);
    let bare = ResponseRow {
        id: "resp_2".into(),
        service_account: None,
        completed_at: None,
        background: false,
        streamed: false,
        previous: Some("resp_1".into()),
        input: vec![],
        body: vec![0, 255],
        request: None,
        status: ResponseStatus::Queued,
        ..full.clone()
    };
    let group = [(full.clone(), vec![]), (bare.clone(), vec![])];
    bench.store.response_insert(&scope, &group, None).await.unwrap();
    assert_eq!(bench.store.response_get(&scope, &full.id).await.unwrap(), full);
    assert_eq!(bench.store.response_get(&tenant.scope, &bare.id).await.unwrap(), bare);
    assert!(!format!("{full:?}").contains("input"), "{full:?}");
    not_found(bench.store.response_get(&scope, &"resp_\0".into()).await);
}

async fn a_group_is_written_whole_or_not_at_all(bench: &Bench) {
    let (ours, theirs) = (bench.tenant("Ours").await, bench.tenant("Theirs").await);
    let scope = ours.project_scope();
    let first = row(&ours, "resp_1", ResponseStatus::Completed);
    insert(&bench.store, &ours, first.clone(), None).await;
    let other = row(&ours, "resp_2", ResponseStatus::Completed);
    let group = [(other.clone(), vec![]), (first, vec![])];
    conflict(bench.store.response_insert(&scope, &group, None).await);
    not_found(bench.store.response_get(&scope, &other.id).await);

    let running = row(&ours, "resp_3", ResponseStatus::InProgress);
    invalid(bench.store.response_insert(&scope, &[(running, vec![])], None).await);

    // A node writes what ended at once for several tenants.
    let group = [
        (row(&ours, "resp_4", ResponseStatus::Completed), vec![]),
        (row(&theirs, "resp_5", ResponseStatus::Completed), vec![]),
    ];
    not_found(bench.store.response_insert(&scope, &group, None).await);
    bench.store.response_insert_all(&group, None).await.unwrap();
    assert!(bench.store.response_get(&theirs.scope, &"resp_5".into()).await.is_ok());
    not_found(bench.store.response_get(&ours.scope, &"resp_5".into()).await);
}

async fn responses_are_seen_only_from_their_scope(bench: &Bench) {
    let (ours, theirs) = (bench.tenant("Ours").await, bench.tenant("Theirs").await);
    let (store, id) = (&bench.store, ResponseId::from("resp_1"));
    let queued = row(&theirs, "resp_1", ResponseStatus::Queued);
    insert(store, &theirs, queued.clone(), None).await;
    store.response_event_append(&theirs.project_scope(), &id, 0, 1, b"events").await.unwrap();
    let second = store.project_create(&theirs.scope, "Second").await.unwrap();
    let beside = kernel::Scope { project: Some(second.id), ..theirs.scope.clone() };
    for scope in [ours.project_scope(), beside] {
        not_found(store.response_get(&scope, &id).await);
        not_found(store.response_delete(&scope, &id).await);
        not_found(store.response_chain(&scope, &id, 10).await);
        let status = ResponseStatus::Cancelled;
        not_found(store.response_finish(&scope, &id, status, None, b"{}", &[]).await);
        not_found(store.response_event_append(&scope, &id, 2, 3, b"events").await);
        not_found(store.response_events(&scope, &id, None).await);
        not_found(store.response_insert(&scope, &[(queued.clone(), vec![])], None).await);
    }
    assert_eq!(store.response_get(&theirs.scope, &id).await.unwrap(), queued);

    // A conversation of others takes nothing, and a chain does not lead to others.
    let conversation = ConversationId::from("conv_1");
    let new = NewConversation { id: conversation.clone(), metadata: "{}".into() };
    store.conversation_create(&theirs.project_scope(), &new, &[]).await.unwrap();
    let spy = ResponseRow {
        conversation: Some(conversation.clone()),
        ..row(&ours, "resp_2", ResponseStatus::Completed)
    };
    let written =
        store.response_insert(&ours.project_scope(), &[(spy, vec![item("msg_1")])], None).await;
    not_found(written);
    assert!(store.conversation_items_all(&theirs.scope, &conversation).await.unwrap().is_empty());
    let spy = ResponseRow {
        previous: Some(id.clone()),
        ..row(&ours, "resp_3", ResponseStatus::Completed)
    };
    insert(store, &ours, spy, None).await;
    missing(store.response_chain(&ours.project_scope(), &"resp_3".into(), 10).await, "resp_1");
    missing(store.response_chain(&ours.scope, &"resp_3".into(), 10).await, "resp_1");
}

async fn chain(bench: &Bench, tenant: &Tenant, length: u32) {
    for number in 1..=length {
        let previous = (number > 1).then(|| format!("resp_{}", number - 1).into());
        let id = format!("resp_{number}");
        let row = ResponseRow { previous, ..row(tenant, &id, ResponseStatus::Completed) };
        insert(&bench.store, tenant, row, None).await;
    }
}

async fn a_chain_comes_oldest_first(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    chain(bench, &tenant, 12).await;
    let scope = tenant.project_scope();
    let get = async |id: &str, most| bench.store.response_chain(&scope, &id.into(), most).await;
    let whole = get("resp_12", 12).await.unwrap();
    let ids: Vec<_> = whole.iter().map(|row| row.id.to_string()).collect();
    let wanted: Vec<_> = (1..=12).map(|number| format!("resp_{number}")).collect();
    assert_eq!(ids, wanted);
    assert_eq!(whole[0].input, row(&tenant, "resp_1", ResponseStatus::Completed).input);
    assert_eq!(get("resp_1", 1).await.unwrap().len(), 1);
    conflict(get("resp_12", 11).await);
    assert_eq!(get("resp_11", 11).await.unwrap().len(), 11);
}

async fn a_broken_chain_names_what_is_missing(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    chain(bench, &tenant, 4).await;
    let scope = tenant.project_scope();
    bench.store.response_delete(&scope, &"resp_2".into()).await.unwrap();
    missing(bench.store.response_chain(&scope, &"resp_4".into(), 10).await, "resp_2");
    missing(bench.store.response_chain(&scope, &"resp_9".into(), 10).await, "resp_9");
}

async fn one_of_many_ends_a_response(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let other = bench.reopen(&bench.vault).await.unwrap();
    let (scope, id) = (tenant.project_scope(), ResponseId::from("resp_1"));
    let lease = Lease { node: "a", until: bench.now().plus(MINUTE) };
    insert(&bench.store, &tenant, row(&tenant, "resp_1", ResponseStatus::InProgress), Some(lease))
        .await;
    let nodes = [&bench.store, &other].into_iter().cycle().take(8).enumerate();
    let ends = join_all(nodes.map(|(number, node)| {
        let (scope, id, body) = (scope.clone(), id.clone(), format!("end {number}"));
        async move {
            let (status, at) = (ResponseStatus::Completed, Some(Timestamp::from_secs(7)));
            let ended = node.response_finish(&scope, &id, status, at, body.as_bytes(), &[]).await;
            ended.unwrap().then_some(body)
        }
    }))
    .await;
    let won: Vec<_> = ends.into_iter().flatten().collect();
    assert_eq!(won.len(), 1);
    let ended = bench.store.response_get(&scope, &id).await.unwrap();
    assert_eq!(ended.body, won[0].as_bytes());
    assert_eq!(ended.status, ResponseStatus::Completed);
    assert_eq!(ended.completed_at, Some(Timestamp::from_secs(7)));
    assert_eq!(ended.request, None, "what the run needed is gone");
    let leases = "SELECT COUNT(*) FROM response WHERE node IS NOT NULL OR lease_until IS NOT NULL";
    assert_eq!(bench.number(leases).await, 0);
    other.close().await;
}

async fn an_ended_response_adds_to_its_conversation(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, scope) = (&bench.store, tenant.project_scope());
    let conversation = ConversationId::from("conv_1");
    let new = NewConversation { id: conversation.clone(), metadata: "{}".into() };
    store.conversation_create(&scope, &new, &[item("msg_0")]).await.unwrap();
    let queued = |id: &str| ResponseRow {
        conversation: Some(conversation.clone()),
        ..row(&tenant, id, ResponseStatus::Queued)
    };
    let group = [(queued("resp_1"), vec![item("msg_1")]), (queued("resp_2"), vec![item("msg_2")])];
    store.response_insert(&scope, &group, None).await.unwrap();
    let finish = async |id: &str, items: &[NewItem]| {
        let status = ResponseStatus::Completed;
        store.response_finish(&scope, &id.into(), status, None, b"{}", items).await
    };
    conflict(finish("resp_1", &[item("msg_3"), item("msg_2")]).await);
    let open = store.response_get(&scope, &"resp_1".into()).await.unwrap();
    assert_eq!(open.status, ResponseStatus::Queued, "all of it is undone");
    assert!(finish("resp_1", &[item("msg_3"), item("msg_4")]).await.unwrap());
    assert!(!finish("resp_1", &[item("msg_5")]).await.unwrap());

    let page = ItemPage { after: None, limit: 10, descending: false };
    let items = store.conversation_items(&scope, &conversation, &page).await.unwrap();
    let ids: Vec<_> = items.data.iter().map(|item| item.id.as_str()).collect();
    assert_eq!(ids, ["msg_0", "msg_1", "msg_2", "msg_3", "msg_4"]);

    // An answer is not lost because its conversation is.
    store.conversation_delete(&scope, &conversation).await.unwrap();
    assert!(finish("resp_2", &[item("msg_6")]).await.unwrap());
}

async fn nodes_claim_each_response_once(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let other = bench.reopen(&bench.vault).await.unwrap();
    let group: Vec<_> = (0..40)
        .map(|number| {
            let created_at = Timestamp::from_secs(1_000 + (number * 7) % 40);
            let id = format!("resp_{number}");
            let row = row(&tenant, &id, ResponseStatus::Queued);
            (ResponseRow { created_at, ..row }, vec![])
        })
        .collect();
    bench.store.response_insert(&tenant.project_scope(), &group, None).await.unwrap();
    let now = bench.now();
    let claims = [(&bench.store, "a"), (&other, "b")].into_iter().cycle().take(8);
    let claimed = join_all(claims.map(|(store, node)| async move {
        (node, store.response_claim(node, now.plus(MINUTE), now, 5).await.unwrap())
    }))
    .await;
    let mut ids = Vec::new();
    for (node, rows) in claimed {
        let times: Vec<_> = rows.iter().map(|row| row.created_at).collect();
        assert!(times.is_sorted(), "the oldest first");
        for row in rows {
            assert_eq!(row.request.as_deref(), Some(&b"{\"tools\":[]}"[..]));
            let until = now.plus(MINUTE);
            let loser = if node == "a" { "b" } else { "a" };
            assert!(!bench.store.response_start(&row.id, loser, until, b"no").await.unwrap());
            assert!(bench.store.response_start(&row.id, node, until, b"yes").await.unwrap());
            assert!(!bench.store.response_start(&row.id, node, until, b"twice").await.unwrap());
            ids.push(row.id);
        }
    }
    // Under SKIP LOCKED a node may come away with less than it asked for, never with another's.
    ids.sort();
    let all = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), all, "none twice");
    assert!(all >= 20, "{all}");
    let started = bench.store.response_get(&tenant.scope, &ids[0]).await.unwrap();
    assert_eq!(started.status, ResponseStatus::InProgress);
    assert_eq!(started.body, b"yes");
    other.close().await;
}

async fn a_dead_nodes_queue_is_taken_over(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, now) = (&bench.store, bench.now());
    let lease = Lease { node: "dead", until: now.plus(MINUTE) };
    insert(store, &tenant, row(&tenant, "resp_1", ResponseStatus::Queued), Some(lease)).await;
    let later = now.plus(MINUTE * 2);
    assert!(store.response_claim("b", later, now, 5).await.unwrap().is_empty());
    assert!(!store.response_start(&"resp_1".into(), "b", later, b"{}").await.unwrap());
    bench.clock.advance(MINUTE);
    let claimed = store.response_claim("b", later, now.plus(MINUTE), 5).await.unwrap();
    assert_eq!(claimed.len(), 1);
    assert!(!store.response_start(&"resp_1".into(), "dead", later, b"{}").await.unwrap());
    assert!(store.response_start(&"resp_1".into(), "b", later, b"{}").await.unwrap());
    assert!(!store.response_start(&"resp_none".into(), "b", later, b"{}").await.unwrap());
}

async fn a_lease_is_renewed_by_its_node_alone(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, now) = (&bench.store, bench.now());
    let ids: Vec<ResponseId> = (0..3).map(|number| format!("resp_{number}").into()).collect();
    for (id, node) in ids.iter().zip(["a", "a", "b"]) {
        let lease = Some(Lease { node, until: now.plus(MINUTE) });
        let row = row(&tenant, id.as_str(), ResponseStatus::InProgress);
        insert(store, &tenant, row, lease).await;
    }
    let scope = tenant.project_scope();
    let (id, status) = (&ids[1], ResponseStatus::Cancelled);
    assert!(store.response_finish(&scope, id, status, None, b"{}", &[]).await.unwrap());
    let renewed = store.response_renew("a", &ids, now.plus(MINUTE * 5)).await.unwrap();
    assert_eq!(renewed, ids[..1]);
    let orphans = store.response_orphans(now.plus(MINUTE * 2), 10).await.unwrap();
    assert_eq!(orphans.iter().map(|row| row.id.clone()).collect::<Vec<_>>(), ids[2..]);
    assert!(store.response_renew("a", &[], now).await.unwrap().is_empty());
}

async fn orphans_are_those_whose_lease_is_over(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, now) = (&bench.store, bench.now());
    let lease = Lease { node: "a", until: now.plus(MINUTE) };
    for (id, status) in [("resp_1", ResponseStatus::InProgress), ("resp_2", ResponseStatus::Queued)]
    {
        insert(store, &tenant, row(&tenant, id, status), Some(lease)).await;
    }
    assert!(store.response_orphans(now, 10).await.unwrap().is_empty());
    let orphans = store.response_orphans(now.plus(MINUTE), 10).await.unwrap();
    assert_eq!(orphans.len(), 1);
    assert_eq!(orphans[0], row(&tenant, "resp_1", ResponseStatus::InProgress));
}

async fn events_come_back_from_where_they_are_wanted(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, scope, id) = (&bench.store, tenant.project_scope(), ResponseId::from("resp_1"));
    insert(store, &tenant, row(&tenant, "resp_1", ResponseStatus::Queued), None).await;
    for (first, last) in [(0, 4), (5, 5), (6, 20)] {
        let events = format!("{first}-{last}");
        store.response_event_append(&scope, &id, first, last, events.as_bytes()).await.unwrap();
    }
    conflict(store.response_event_append(&scope, &id, 5, 9, b"again").await);
    let get = async |after| {
        let chunks = store.response_events(&scope, &id, after).await.unwrap();
        let texts = chunks.into_iter().map(|chunk| {
            assert_eq!(chunk.events, format!("{}-{}", chunk.first, chunk.last).as_bytes());
            chunk.first
        });
        texts.collect::<Vec<_>>()
    };
    assert_eq!(get(None).await, [0, 5, 6]);
    assert_eq!(get(Some(3)).await, [0, 5, 6]);
    assert_eq!(get(Some(4)).await, [5, 6]);
    assert_eq!(get(Some(5)).await, [6]);
    assert_eq!(get(Some(20)).await, [0; 0]);
    assert_eq!(get(Some(u64::MAX)).await, [0; 0]);
    invalid(store.response_event_append(&tenant.scope, &id, 21, 21, b"whose?").await);
}

async fn a_deleted_response_takes_its_events_along(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, scope, id) = (&bench.store, tenant.project_scope(), ResponseId::from("resp_1"));
    insert(store, &tenant, row(&tenant, "resp_1", ResponseStatus::Queued), None).await;
    store.response_event_append(&scope, &id, 0, 1, b"events").await.unwrap();
    store.response_delete(&scope, &id).await.unwrap();
    not_found(store.response_get(&scope, &id).await);
    not_found(store.response_delete(&scope, &id).await);
    not_found(store.response_event_append(&scope, &id, 2, 3, b"events").await);
    assert_eq!(bench.number("SELECT COUNT(*) FROM response_event").await, 0);
}

async fn a_damaged_row_does_not_hold_up_the_queue(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let store = &bench.store;
    for id in ["resp_1", "resp_2"] {
        insert(store, &tenant, row(&tenant, id, ResponseStatus::Queued), None).await;
    }
    // Moved from another row, it does not open.
    bench
        .execute(
            "UPDATE response SET body = (SELECT body FROM response WHERE id = 'resp_2')
             WHERE id = 'resp_1'",
        )
        .await;
    let read = store.response_get(&tenant.scope, &"resp_1".into()).await;
    assert!(matches!(read, Err(StoreError::Sealed { .. })), "{read:?}");
    let now = bench.now();
    let claimed = store.response_claim("a", now.plus(MINUTE), now, 5).await.unwrap();
    let ids: Vec<_> = claimed.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids, ["resp_2"]);
}

fn missing<T: std::fmt::Debug>(result: Result<T, StoreError>, wanted: &str) {
    match result {
        Err(StoreError::NotFound { what: "response", id }) => assert_eq!(id, wanted),
        other => panic!("{other:?}"),
    }
}
