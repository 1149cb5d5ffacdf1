//! The audit log: written with every change, in one chain per organisation, and read again.

use std::time::Duration;

use audit::{Finding, INSTALLATION, Verifier, Witness};
use futures_util::future::join_all;
use kernel::catalog::{ModelSpec, Source, TargetSpec};
use kernel::{Acting, Actor, OrganizationId, Scope, Who};
use store::{AuditFilter, AuditPage, AuditRow, Store, StoreError};

use crate::bench::{Bench, Tenant, not_found, secret, store_suite};

store_suite![
    a_change_and_its_entry_are_one,
    a_change_whose_entry_is_refused_says_so,
    a_snapshot_is_of_one_moment,
    nobody_changes_nothing,
    what_is_refused_leaves_no_entry,
    many_at_once_make_one_chain,
    filters_find_what_they_name,
    pages_are_turned_both_ways,
    each_organization_sees_its_own_and_the_installations,
    what_is_altered_behind_the_store_is_found,
];

/// Everything of a chain is as it was written.
async fn findings(store: &Store, chain: &str) -> Vec<Finding> {
    let key = store.audit_seal_key().await.unwrap();
    let mut verifier = Verifier::new(Witness::default(), key.as_deref());
    let mut after = 0;
    loop {
        // A page of three, so that pages are turned.
        let links = store.audit_read(chain, after, 3).await.unwrap();
        links.iter().for_each(|link| verifier.link(link));
        match links.last() {
            Some(last) => after = last.entry.sequence,
            None => break,
        }
    }
    let heads = store.audit_heads().await.unwrap();
    verifier.end(Some(heads.iter().find(|head| head.chain == chain))).findings
}

async fn list(bench: &Bench, scope: &Scope, filter: AuditFilter) -> Vec<AuditRow> {
    let page = AuditPage { after: None, before: None, limit: 100 };
    bench.store.audit_list(scope, &filter, &page).await.unwrap().data
}

fn events(rows: &[AuditRow]) -> Vec<&str> {
    rows.iter().map(|row| row.link.entry.event.as_str()).collect()
}

fn admin(organization: &OrganizationId, key: &str) -> Actor {
    Actor::new(Acting {
        who: Who::AdminKey { id: key.into(), organization: organization.clone() },
        address: Some([192, 0, 2, 1].into()),
        user_agent: Some("client/1".into()),
        request: Some("req_1".into()),
    })
}

fn model(name: &str) -> ModelSpec {
    let target =
        TargetSpec { provider: "p".into(), model: "m".into(), weight: 1, operations: Vec::new() };
    let (name, targets) = (name.into(), vec![target]);
    ModelSpec { name, targets, fallbacks: Vec::new(), source: Source::Database }
}

async fn a_change_and_its_entry_are_one(bench: &Bench) {
    let Tenant { organization, project, scope } = bench.tenant("Acme").await;
    let store = bench.store.by(&admin(&organization.id, "key_admin_1"));
    bench.clock.advance(Duration::from_micros(1_234_567));
    store.project_update(&scope, &project.id, "Search").await.unwrap();
    let rows = list(bench, &scope, AuditFilter::default()).await;
    assert_eq!(events(&rows), ["project.updated", "project.created", "kijun.organization.created"]);
    let entry = &rows[0].link.entry;
    assert_eq!((entry.chain.as_str(), entry.sequence), (organization.id.as_str(), 3));
    assert_eq!(entry.at, bench.now(), "to the microsecond");
    assert_eq!(entry.project.as_deref(), Some(project.id.as_str()));
    assert_eq!(rows[0].project_name.as_deref(), Some("Search"));
    assert_eq!(entry.resources, format!("[[\"project\",\"{}\"]]", project.id));
    assert_eq!(entry.details, r#"{"before":{"name":"Acme"},"after":{"name":"Search"}}"#);
    assert_eq!((entry.actor.kind.as_str(), entry.actor.id.as_str()), ("admin_key", "key_admin_1"));
    assert_eq!(entry.actor.address.as_deref(), Some("192.0.2.1"));
    assert_eq!(entry.actor.request.as_deref(), Some("req_1"));
    assert_eq!(findings(&store, organization.id.as_str()).await, []);

    // An entry that cannot be written takes its change with it.
    bench.execute("DROP TABLE audit_event").await;
    assert!(store.project_update(&scope, &project.id, "Hidden").await.is_err());
    assert_eq!(store.project_get(&scope, &project.id).await.unwrap().name, "Search");
}

async fn a_change_whose_entry_is_refused_says_so(bench: &Bench) {
    let Tenant { project, scope, .. } = bench.tenant("Acme").await;
    let change = async |name| bench.store.project_update(&scope, &project.id, name).await;
    // The next entry takes a place that has one: a constraint stands against it.
    bench.execute("UPDATE audit_head SET sequence = sequence - 1").await;
    let refused = change("Search").await.unwrap_err();
    assert!(matches!(refused, StoreError::NotLogged { .. }), "{refused:?}");
    bench.execute("UPDATE audit_head SET sequence = sequence + 1").await;
    bench.execute("ALTER TABLE audit_event RENAME TO audit_away").await;
    let refused = change("Search").await.unwrap_err();
    assert!(matches!(refused, StoreError::NotLogged { .. }), "{refused:?}");
    assert!(refused.to_string().contains("the change was not made"), "{refused}");
    bench.execute("ALTER TABLE audit_away RENAME TO audit_event").await;
    change("Search").await.unwrap();
}

async fn a_snapshot_is_of_one_moment(bench: &Bench) {
    let Tenant { organization, scope, .. } = bench.tenant("Acme").await;
    let chain = organization.id.as_str();
    let mut snapshot = bench.store.audit_snapshot().await.unwrap();
    bench.store.project_create(&scope, "Later").await.unwrap();
    let links = snapshot.read(chain, 0, 100).await.unwrap();
    assert_eq!(links.len(), 2, "what came later is not in it");
    assert_eq!(snapshot.head(chain).unwrap().sequence, 2);
    assert_eq!(snapshot.head(chain).unwrap().hash, links[1].hash);
    assert_eq!(snapshot.read(chain, 1, 1).await.unwrap(), links[1..]);
    assert_eq!(snapshot.chains().await.unwrap(), [chain]);
    snapshot.close().await.unwrap();
    assert_eq!(bench.store.audit_heads().await.unwrap()[0].sequence, 3);
}

async fn nobody_changes_nothing(bench: &Bench) {
    let Tenant { scope, project, .. } = bench.tenant("Acme").await;
    let nobody = crate::bench::open_unattributed(&bench.url, &bench.vault, &bench.clock).await;
    let refused = nobody.project_update(&scope, &project.id, "Search").await;
    assert!(matches!(refused, Err(StoreError::Unattributed)), "{refused:?}");
    assert_eq!(nobody.project_get(&scope, &project.id).await.unwrap().name, "Acme");
    nobody.close().await;
}

async fn what_is_refused_leaves_no_entry(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, scope) = (&bench.store, &tenant.scope);
    let key = store.api_key_create(scope, tenant.new_key(1)).await.unwrap();
    store.api_key_revoke(scope, &key.id).await.unwrap();
    let before = list(bench, scope, AuditFilter::default()).await;
    // Refused, or nothing to do.
    store.project_archive(scope, &tenant.project.id).await.unwrap_err();
    store.api_key_create(scope, tenant.new_key(1)).await.unwrap_err();
    store.api_key_revoke(scope, &key.id).await.unwrap();
    store.limit_delete(scope, &"limit_none".into()).await.unwrap_err();
    store.model_delete("none").await.unwrap_err();
    store.provider_delete("none").await.unwrap_err();
    assert_eq!(list(bench, scope, AuditFilter::default()).await, before);
    assert_eq!(events(&before)[..2], ["api_key.deleted", "api_key.created"]);
}

async fn many_at_once_make_one_chain(bench: &Bench) {
    let Tenant { organization, scope, .. } = bench.tenant("Acme").await;
    let other = bench.reopen(&bench.vault).await.unwrap();
    let made = join_all((0..20).map(|number| {
        let store = if number % 2 == 0 { &bench.store } else { &other };
        let scope = &scope;
        async move { store.project_create(scope, &format!("Project {number}")).await }
    }))
    .await;
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    assert_eq!(findings(&other, organization.id.as_str()).await, []);
    let heads = other.audit_heads().await.unwrap();
    let head = heads.iter().find(|head| head.chain == organization.id.as_str()).unwrap();
    assert_eq!(head.sequence, 22);
    other.close().await;
}

async fn filters_find_what_they_name(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let scope = &tenant.scope;
    let start = bench.now();
    bench.clock.advance(Duration::from_secs(10));
    let store = bench.store.by(&admin(&tenant.organization.id, "key_admin_1"));
    let key = store.api_key_create(scope, tenant.new_key(1)).await.unwrap();
    bench.clock.advance(Duration::from_secs(10));
    let soon = bench.now().plus(Duration::from_secs(60));
    store.api_key_rotate(scope, &key.id, &secret(2), soon).await.unwrap();
    let find = async |filter| {
        let rows = list(bench, scope, filter).await;
        events(&rows).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let none = AuditFilter::default;
    let of_key = ["api_key.updated", "api_key.created"];
    let by = |id: &str| AuditFilter { actors: vec![id.into()], ..none() };
    assert_eq!(find(by("key_admin_1")).await, of_key);
    assert_eq!(find(by("tests")).await.len(), 2);
    let on = |id: &str| AuditFilter { resources: vec![id.into(), "nothing".into()], ..none() };
    assert_eq!(find(on(key.id.as_str())).await, of_key);
    let part = &key.id.as_str()[1..];
    assert!(find(on(part)).await.is_empty(), "only whole ids are found");
    assert!(find(on("api_key")).await.is_empty(), "a kind is no id");
    assert!(find(on("\"%_\0")).await.is_empty());
    let in_project = AuditFilter { projects: vec![tenant.project.id.to_string()], ..none() };
    assert_eq!(find(in_project).await.len(), 3);
    let created = vec!["api_key.created".into(), "project.created".into()];
    let named = AuditFilter { events: created, ..none() };
    assert_eq!(find(named.clone()).await, ["api_key.created", "project.created"]);
    let early = AuditFilter { until: Some(start.plus(Duration::from_secs(10))), ..none() };
    assert_eq!(find(early).await, ["project.created", "kijun.organization.created"]);
    let late = AuditFilter { from: Some(start.plus(Duration::from_secs(10))), ..none() };
    assert_eq!(find(late.clone()).await, of_key);
    assert_eq!(find(AuditFilter { events: named.events, ..late }).await, ["api_key.created"]);
}

async fn pages_are_turned_both_ways(bench: &Bench) {
    let Tenant { scope, .. } = bench.tenant("Acme").await;
    for number in 0..7 {
        // Several in one moment, and some of the installation's between them.
        bench.clock.advance(Duration::from_secs(number % 2));
        bench.store.project_create(&scope, "Project").await.unwrap();
        bench.store.model_put(&model("shared")).await.unwrap();
    }
    let all: Vec<_> = list(bench, &scope, AuditFilter::default())
        .await
        .into_iter()
        .map(|row| row.link.entry.id)
        .collect();
    assert_eq!(all.len(), 2 + 14);
    let page = async |after: Option<&String>, before: Option<&String>| {
        let page = AuditPage { after: after.cloned(), before: before.cloned(), limit: 3 };
        let paged = bench.store.audit_list(&scope, &AuditFilter::default(), &page).await.unwrap();
        let ids: Vec<_> = paged.data.into_iter().map(|row| row.link.entry.id).collect();
        (ids, paged.has_more)
    };
    let (mut seen, mut more) = page(None, None).await;
    while more {
        let (next, has_more) = page(seen.last(), None).await;
        (seen, more) = ([seen, next].concat(), has_more);
    }
    assert_eq!(seen, all);
    let (mut seen, mut more) = page(None, all.last()).await;
    while more {
        let (next, has_more) = page(None, seen.first()).await;
        (seen, more) = ([next, seen].concat(), has_more);
    }
    assert_eq!(seen, all[..all.len() - 1]);
    assert_eq!(page(all.first(), all.get(3)).await.0, all[1..3]);
    let lost = AuditPage { after: Some("audit_log-none".into()), before: None, limit: 3 };
    not_found(bench.store.audit_list(&scope, &AuditFilter::default(), &lost).await);
}

async fn each_organization_sees_its_own_and_the_installations(bench: &Bench) {
    let (one, two) = (bench.tenant("One").await, bench.tenant("Two").await);
    bench.store.model_put(&model("shared")).await.unwrap();
    let by_one = bench.store.by(&admin(&one.organization.id, "key_admin_1"));
    by_one.model_put(&model("shared")).await.unwrap();
    let models = ["kijun.model.created", "kijun.model.updated"].map(str::to_owned).to_vec();
    let filter = || AuditFilter { events: models.clone(), ..AuditFilter::default() };
    let seen = list(bench, &one.scope, filter()).await;
    assert_eq!(events(&seen), ["kijun.model.updated", "kijun.model.created"]);
    assert_eq!(seen[0].link.entry.chain, one.organization.id.as_str());
    assert_eq!(seen[1].link.entry.chain, INSTALLATION);
    let seen = list(bench, &two.scope, filter()).await;
    assert_eq!(events(&seen), ["kijun.model.created"]);
    let all = list(bench, &two.scope, AuditFilter::default()).await;
    assert!(all.iter().all(|row| row.link.entry.chain != one.organization.id.as_str()));
    let theirs = list(bench, &one.scope, AuditFilter::default()).await;
    let theirs = theirs.into_iter().find(|row| row.link.entry.chain != INSTALLATION).unwrap();
    let page = AuditPage { after: Some(theirs.link.entry.id), before: None, limit: 3 };
    not_found(bench.store.audit_list(&two.scope, &AuditFilter::default(), &page).await);
    let narrow = bench.store.audit_list(&one.project_scope(), &filter(), &page).await;
    assert!(matches!(narrow, Err(StoreError::OutOfScope { .. })));
}

async fn what_is_altered_behind_the_store_is_found(bench: &Bench) {
    let Tenant { organization, scope, project } = bench.tenant("Acme").await;
    for name in ["A", "B", "C", "D"] {
        bench.store.project_update(&scope, &project.id, name).await.unwrap();
    }
    let chain = organization.id.as_str();
    assert_eq!(findings(&bench.store, chain).await, []);
    let altered = async |sql: &str, undo: &str| {
        bench.execute(&sql.replace("{chain}", chain)).await;
        let found = findings(&bench.store, chain).await;
        bench.execute(&undo.replace("{chain}", chain)).await;
        found
    };
    let set = |to: &str| {
        format!(
            "UPDATE audit_event SET actor_id = '{to}' WHERE chain = '{{chain}}' AND sequence = 4"
        )
    };
    let found = altered(&set("somebody"), &set("tests")).await;
    assert!(matches!(found[..], [Finding::Edited { sequence: 4, .. }]), "{found:?}");
    let swap = "UPDATE audit_event SET sequence = 100 WHERE chain = '{chain}' AND sequence = 3;
                UPDATE audit_event SET sequence = 3 WHERE chain = '{chain}' AND sequence = 4;
                UPDATE audit_event SET sequence = 4 WHERE chain = '{chain}' AND sequence = 100";
    let found = altered(swap, swap).await;
    let moved = |finding: &Finding| matches!(finding, Finding::OutOfOrder { .. });
    assert!(found.len() == 2 && found.iter().all(moved), "{found:?}");
    let move_head =
        |to: i64| format!("UPDATE audit_head SET sequence = {to} WHERE chain = '{{chain}}'");
    let found = altered(&move_head(5), &move_head(6)).await;
    assert_eq!(found, [Finding::WrongHead { last: 6, head: Some(5) }]);
    let forge = "INSERT INTO audit_event
        SELECT chain, sequence + 1, id || 'x', at, event, actor_type, actor_id,
               actor_organization_id, address, user_agent, request_id, project_id, resources,
               details, previous, hash, seal FROM audit_event
        WHERE chain = '{chain}' AND sequence = 6";
    let found = altered(forge, "DELETE FROM audit_event WHERE sequence = 7").await;
    assert!(matches!(found[0], Finding::Edited { sequence: 7, .. }), "{found:?}");
    let found = altered("DELETE FROM audit_event WHERE sequence = 3", "SELECT 1").await;
    assert_eq!(found[0], Finding::Missing { first: 3, last: 3 });
    let found = altered("DELETE FROM audit_event WHERE sequence > 4", "SELECT 1").await;
    assert!(found.contains(&Finding::Truncated { last: 4, known: 6 }), "{found:?}");
    bench.execute(&format!("DELETE FROM audit_head WHERE chain = '{chain}'")).await;
    assert!(bench.store.audit_chains().await.unwrap().contains(&chain.to_owned()));
}
