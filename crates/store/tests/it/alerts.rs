//! Thresholds, webhooks, and the outbox.

use std::time::Duration;

use futures_util::future::join_all;
use kernel::{Money, Scope, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use store::{
    Attempt, Firing, ItemPage, NewNotice, NewWebhook, NoticeChannel, NotificationChannel,
    Recipient, SpendAlert, SpendAlertPage, StoreError, Waiting,
};

use crate::bench::{Bench, Tenant, invalid, not_found, store_suite};

store_suite!(
    spend_alerts_belong_to_their_scope,
    spend_alerts_are_paged_from_both_ends,
    wrong_spend_alerts_are_refused,
    a_changed_alert_can_be_told_again,
    people_and_tokens_lie_sealed,
    webhooks_belong_to_their_organization,
    a_webhook_takes_what_waits_for_it_along,
    what_was_told_is_told_once,
    of_many_nodes_each_delivers_others,
    a_dead_nodes_notices_are_delivered_again,
    attempts_are_written_down,
    what_failed_can_be_tried_again,
    old_notices_are_forgotten,
);

fn channel(recipients: &[&str]) -> NotificationChannel {
    NotificationChannel::Email {
        recipients: recipients.iter().map(|&address| address.into()).collect(),
        subject_prefix: Some("Kijun".into()),
    }
}

const fn dollars(amount: i64) -> Money {
    Money::from_nanos(amount * 1_000_000_000)
}

async fn alert(bench: &Bench, scope: &Scope, amount: i64) -> SpendAlert {
    let made = bench.store.spend_alert_create(scope, dollars(amount), channel(&["a@b.example"]));
    made.await.unwrap()
}

fn notice(tenant: &Tenant, to: Recipient) -> NewNotice {
    NewNotice {
        organization: tenant.organization.id.clone(),
        to,
        kind: "kijun.webhook.test".into(),
        subject: "A test".into(),
        body: "{}".into(),
    }
}

fn to_webhook(tenant: &Tenant) -> NewNotice {
    notice(tenant, Recipient::Webhook("webhook_1".into()))
}

fn new_webhook() -> NewWebhook {
    NewWebhook {
        name: "ops".into(),
        url: "https://hooks.example/services/token-in-a-path".into(),
        events: vec!["kijun.budget.reached".into()],
        disabled: false,
    }
}

fn secret() -> SecretString {
    "whsec_secret-of-a-webhook".into()
}

async fn claim(bench: &Bench, limit: u32) -> Vec<store::Notice> {
    let until = bench.now().plus(Duration::from_secs(60));
    bench.store.notice_claim(NoticeChannel::Webhook, until, limit).await.unwrap()
}

fn first_page() -> ItemPage {
    ItemPage { after: None, limit: 100, descending: false }
}

async fn spend_alerts_belong_to_their_scope(bench: &Bench) {
    let (ours, theirs) = (bench.tenant("Ours").await, bench.tenant("Theirs").await);
    let (whole, project) = (&ours.scope, &ours.project_scope());
    let store = &bench.store;
    let of_all = alert(bench, whole, 100).await;
    let of_project = alert(bench, project, 10).await;
    alert(bench, &theirs.scope, 1).await;
    assert_eq!(store.spend_alert_get(whole, &of_all.id).await.unwrap(), of_all);
    assert_eq!(store.spend_alert_get(project, &of_project.id).await.unwrap(), of_project);
    let list =
        async |scope| store.spend_alert_list(scope, &SpendAlertPage::default()).await.unwrap().data;
    assert_eq!(list(whole).await, std::slice::from_ref(&of_all));
    assert_eq!(list(project).await, std::slice::from_ref(&of_project));
    assert_eq!(store.spend_alert_list_all().await.unwrap().len(), 3);

    for (scope, id) in [(whole, &of_project.id), (project, &of_all.id), (&theirs.scope, &of_all.id)]
    {
        not_found(store.spend_alert_get(scope, id).await);
        not_found(store.spend_alert_delete(scope, id).await);
        let changed = store.spend_alert_update(scope, id, dollars(1), &channel(&["x@y"])).await;
        not_found(changed);
    }
    let foreign = Scope { project: Some(theirs.project.id.clone()), ..ours.scope.clone() };
    not_found(store.spend_alert_create(&foreign, dollars(1), channel(&["x@y"])).await);

    let new = channel(&["c@d.example", "e@f.example"]);
    let changed = store.spend_alert_update(project, &of_project.id, dollars(20), &new).await;
    let expected = SpendAlert { threshold: dollars(20), channel: new, ..of_project.clone() };
    assert_eq!(changed.unwrap(), expected);
    store.spend_alert_delete(project, &of_project.id).await.unwrap();
    not_found(store.spend_alert_get(project, &of_project.id).await);
}

async fn spend_alerts_are_paged_from_both_ends(bench: &Bench) {
    let scope = bench.tenant("Acme").await.scope;
    let mut ids = Vec::new();
    for amount in 1..=5 {
        bench.clock.advance(Duration::from_millis(1));
        ids.push(alert(bench, &scope, amount).await.id.to_string());
    }
    let page = async |page: SpendAlertPage| {
        let found = bench.store.spend_alert_list(&scope, &page).await.unwrap();
        let place = |alert: &SpendAlert| ids.iter().position(|id| *id == alert.id.as_str());
        let places: Vec<_> = found.data.iter().map(|alert| place(alert).unwrap()).collect();
        (places, found.has_more)
    };
    let all = |limit, descending| SpendAlertPage { limit, descending, ..SpendAlertPage::default() };
    let id = |place: usize| Some(ids[place].clone());
    assert_eq!(page(all(20, false)).await, (vec![0, 1, 2, 3, 4], false));
    assert_eq!(page(all(2, false)).await, (vec![0, 1], true));
    assert_eq!(page(all(2, true)).await, (vec![4, 3], true));
    assert_eq!(page(SpendAlertPage { after: id(1), ..all(2, false) }).await, (vec![2, 3], true));
    assert_eq!(page(SpendAlertPage { after: id(3), ..all(2, true) }).await, (vec![2, 1], true));
    assert_eq!(page(SpendAlertPage { before: id(3), ..all(2, false) }).await, (vec![1, 2], true));
    assert_eq!(page(SpendAlertPage { before: id(1), ..all(2, true) }).await, (vec![3, 2], true));
    assert_eq!(page(SpendAlertPage { before: id(2), ..all(2, true) }).await, (vec![4, 3], false));
    let between = SpendAlertPage { after: id(0), before: id(3), ..all(20, false) };
    assert_eq!(page(between).await, (vec![1, 2], false));
}

async fn wrong_spend_alerts_are_refused(bench: &Bench) {
    let scope = bench.tenant("Acme").await.scope;
    let create = async |amount, channel| {
        bench.store.spend_alert_create(&scope, Money::from_nanos(amount), channel).await
    };
    invalid(create(-1, channel(&["a@b.example"])).await);
    invalid(create(0, channel(&[])).await);
    invalid(create(0, channel(&["nobody"])).await);
    let made = create(0, channel(&["a@b.example"])).await.unwrap();
    let changed = bench.store.spend_alert_update(&scope, &made.id, dollars(-1), &made.channel);
    invalid(changed.await);
}

async fn a_changed_alert_can_be_told_again(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let made = alert(bench, &tenant.scope, 1).await;
    let firing =
        Firing { source: made.id.to_string(), subject: String::new(), period_start: bench.now() };
    let fire = async || bench.store.alert_fire(&firing, vec![to_webhook(&tenant)]).await.unwrap();
    assert!(fire().await);
    assert!(!fire().await);
    let changed =
        bench.store.spend_alert_update(&tenant.scope, &made.id, dollars(2), &made.channel).await;
    changed.unwrap();
    assert!(fire().await);
}

async fn people_and_tokens_lie_sealed(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let (store, scope) = (&bench.store, &tenant.scope);
    alert(bench, scope, 1).await;
    let webhook = store.webhook_create(scope, &new_webhook(), &secret()).await.unwrap();
    let to = Recipient::Email("a@b.example".into());
    store.notice_create(vec![notice(&tenant, to.clone())]).await.unwrap();
    for sealed in [
        bench.bytes("SELECT channel FROM spend_alert").await,
        bench.bytes("SELECT url FROM webhook").await,
        bench.bytes("SELECT secret FROM webhook").await,
        bench.bytes("SELECT recipient FROM notice").await,
    ] {
        let text = String::from_utf8_lossy(&sealed);
        assert!(sealed.len() > 32);
        assert!(!["b.example", "token-in-a-path", "secret-of"].iter().any(|it| text.contains(it)));
    }
    let (opened, signed) = store.webhook_open(&webhook.id).await.unwrap().unwrap();
    assert_eq!((&opened, signed.expose_secret()), (&webhook, secret().expose_secret()));
    let listed = store.notice_list(scope, &first_page()).await.unwrap().data;
    assert_eq!(listed[0].notice.to, to);
    let shown = format!("{webhook:?} {listed:?} {:?}", new_webhook());
    assert!(!["b.example", "token-in-a-path"].iter().any(|it| shown.contains(it)), "{shown}");
}

async fn webhooks_belong_to_their_organization(bench: &Bench) {
    let (ours, theirs) = (bench.tenant("Ours").await, bench.tenant("Theirs").await);
    let (store, scope) = (&bench.store, &ours.scope);
    let made = store.webhook_create(scope, &new_webhook(), &secret()).await.unwrap();
    assert_eq!(store.webhook_get(scope, &made.id).await.unwrap(), made);
    assert_eq!(store.webhook_list(scope).await.unwrap(), std::slice::from_ref(&made));
    assert!(store.webhook_list(&theirs.scope).await.unwrap().is_empty());
    not_found(store.webhook_get(&theirs.scope, &made.id).await);
    not_found(store.webhook_update(&theirs.scope, &made.id, &new_webhook()).await);
    not_found(store.webhook_update_secret(&theirs.scope, &made.id, &secret()).await);
    not_found(store.webhook_delete(&theirs.scope, &made.id).await);
    let own = store.webhook_list(&ours.project_scope()).await;
    assert!(matches!(own, Err(StoreError::OutOfScope { .. })), "{own:?}");

    let off = NewWebhook { name: "night".into(), disabled: true, ..new_webhook() };
    let changed = store.webhook_update(scope, &made.id, &off).await.unwrap();
    let since = Some(bench.now());
    assert_eq!((changed.name.as_str(), changed.disabled_at), ("night", since));
    bench.clock.advance(Duration::from_secs(1));
    let still = store.webhook_update(scope, &made.id, &off).await.unwrap();
    assert_eq!(still.disabled_at, since, "it was disabled before");
    let on = store.webhook_update(scope, &made.id, &new_webhook()).await.unwrap();
    assert_eq!(on.disabled_at, None);

    store.webhook_update_secret(scope, &made.id, &"whsec_other".into()).await.unwrap();
    let (_, signed) = store.webhook_open(&made.id).await.unwrap().unwrap();
    assert_eq!(signed.expose_secret(), "whsec_other");
}

async fn a_webhook_takes_what_waits_for_it_along(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let store = &bench.store;
    let webhook = store.webhook_create(&tenant.scope, &new_webhook(), &secret()).await.unwrap();
    let to = || notice(&tenant, Recipient::Webhook(webhook.id.clone()));
    let ids = store.notice_create(vec![to(), to(), to_webhook(&tenant)]).await.unwrap();
    store.notice_settle(&ids[0], &Attempt::Delivered).await.unwrap();
    store.webhook_delete(&tenant.scope, &webhook.id).await.unwrap();
    assert!(store.webhook_open(&webhook.id).await.unwrap().is_none());
    let left = store.notice_list(&tenant.scope, &first_page()).await.unwrap().data;
    let mut left: Vec<_> = left.into_iter().map(|notice| notice.id).collect();
    left.sort();
    let mut expected = vec![ids[0].clone(), ids[2].clone()];
    expected.sort();
    assert_eq!(left, expected, "what was delivered stays to be seen");
}

async fn what_was_told_is_told_once(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let store = &bench.store;
    let other = bench.reopen(&bench.vault).await.unwrap();
    let firing = |subject: &str, period_start| Firing {
        source: "budget_1".into(),
        subject: subject.into(),
        period_start: Timestamp::from_secs(period_start),
    };
    let march = firing("80", 1);
    let nodes = [store, &other].into_iter().cycle().take(8);
    let fired = nodes.map(|node| node.alert_fire(&march, vec![to_webhook(&tenant)]));
    let fired = join_all(fired).await.into_iter().filter(|fired| *fired.as_ref().unwrap()).count();
    assert_eq!(fired, 1);
    let waiting = async || store.notice_waiting(None).await.unwrap().notices;
    let mail = store.notice_waiting(Some(NoticeChannel::Email)).await.unwrap();
    assert_eq!(mail, Waiting::default(), "only webhooks are told");
    assert_eq!(waiting().await, 1);
    let oldest = store.notice_waiting(None).await.unwrap().oldest;
    assert_eq!(oldest, Some(bench.now()));
    for firing in [firing("100", 1), firing("80", 2)] {
        assert!(other.alert_fire(&firing, vec![to_webhook(&tenant)]).await.unwrap());
    }
    assert_eq!(waiting().await, 3);
    let april = store.alert_fired("budget_1", Timestamp::from_secs(2)).await.unwrap();
    assert_eq!(april, [firing("80", 2)]);

    assert!(store.alert_end(&march, vec![to_webhook(&tenant)]).await.unwrap());
    assert!(!other.alert_end(&march, vec![to_webhook(&tenant)]).await.unwrap());
    assert!(other.alert_fire(&march, vec![]).await.unwrap(), "it can be told anew");
    assert_eq!(waiting().await, 4);

    assert!(store.alert_fire(&firing("lasting", 0), vec![]).await.unwrap());
    assert_eq!(store.alert_trim(Timestamp::from_secs(2)).await.unwrap(), 2);
    let left = store.alert_fired("budget_1", Timestamp::default()).await.unwrap();
    assert_eq!(left, [firing("80", 2), firing("lasting", 0)]);
    other.close().await;
}

async fn of_many_nodes_each_delivers_others(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let mail = notice(&tenant, Recipient::Email("a@b.example".into()));
    let mut notices: Vec<_> = (0..40).map(|_| to_webhook(&tenant)).collect();
    notices.push(mail);
    bench.store.notice_create(notices).await.unwrap();
    let other = bench.reopen(&bench.vault).await.unwrap();
    let there = bench.through(&other);
    let claims = [bench, &there].into_iter().cycle().take(6).map(|node| claim(node, 8));
    let mut ids: Vec<_> =
        join_all(claims).await.into_iter().flatten().map(|notice| notice.id).collect();
    // PostgreSQL passes over what another claim looks at just then.
    ids.extend(claim(bench, 100).await.into_iter().map(|notice| notice.id));
    assert_eq!(ids.len(), 40);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 40);
    let until = bench.now().plus(Duration::from_secs(60));
    let mails = bench.store.notice_claim(NoticeChannel::Email, until, 100).await.unwrap();
    assert_eq!(mails.len(), 1);
    other.close().await;
}

async fn a_dead_nodes_notices_are_delivered_again(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    bench.store.notice_create(vec![to_webhook(&tenant)]).await.unwrap();
    let first = claim(bench, 10).await;
    assert!(claim(bench, 10).await.is_empty(), "it is leased");
    bench.clock.advance(Duration::from_secs(60));
    let second = claim(bench, 10).await;
    assert_eq!(second[0].id, first[0].id);
    assert_eq!((first[0].attempts, second[0].attempts), (1, 2));
    bench.store.notice_settle(&second[0].id, &Attempt::Delivered).await.unwrap();
    // The first node was only slow.
    let late = Attempt::GivenUp { error: "too slow".into() };
    bench.store.notice_settle(&first[0].id, &late).await.unwrap();
    let listed = bench.store.notice_list(&tenant.scope, &first_page()).await.unwrap().data;
    assert_eq!((listed[0].delivered_at, listed[0].failed_at), (Some(bench.now()), None));
}

async fn attempts_are_written_down(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    let id = &bench.store.notice_create(vec![to_webhook(&tenant)]).await.unwrap()[0];
    assert_eq!(claim(bench, 1).await.len(), 1);
    let at = bench.now().plus(Duration::from_secs(5));
    let again = Attempt::Again { at, error: "the receiver answered 500\0".into() };
    bench.store.notice_settle(id, &again).await.unwrap();
    assert!(claim(bench, 1).await.is_empty(), "not yet");
    bench.clock.advance(Duration::from_secs(5));
    let claimed = claim(bench, 1).await;
    assert_eq!(claimed[0].last_error.as_deref(), Some("the receiver answered 500\u{fffd}"));
    assert_eq!((claimed[0].attempts, claimed[0].next_at), (2, at));
    bench.store.notice_settle(id, &Attempt::Delivered).await.unwrap();
    bench.clock.advance(Duration::from_secs(1_000));
    assert!(claim(bench, 1).await.is_empty());
}

async fn what_failed_can_be_tried_again(bench: &Bench) {
    let (ours, theirs) = (bench.tenant("Ours").await, bench.tenant("Theirs").await);
    let store = &bench.store;
    let id = &store.notice_create(vec![to_webhook(&ours)]).await.unwrap()[0];
    not_found(store.notice_requeue(&ours.scope, id).await);
    store.notice_settle(id, &Attempt::GivenUp { error: "410".into() }).await.unwrap();
    assert!(claim(bench, 1).await.is_empty());
    not_found(store.notice_requeue(&theirs.scope, id).await);
    assert!(store.notice_list(&theirs.scope, &first_page()).await.unwrap().data.is_empty());
    store.notice_requeue(&ours.scope, id).await.unwrap();
    assert_eq!(claim(bench, 1).await.len(), 1);
}

async fn old_notices_are_forgotten(bench: &Bench) {
    let tenant = bench.tenant("Acme").await;
    bench.store.notice_create(vec![to_webhook(&tenant)]).await.unwrap();
    bench.clock.advance(Duration::from_secs(1));
    let kept = bench.store.notice_create(vec![to_webhook(&tenant)]).await.unwrap();
    assert_eq!(bench.store.notice_trim(bench.now()).await.unwrap(), 1);
    let listed = bench.store.notice_list(&tenant.scope, &first_page()).await.unwrap().data;
    assert_eq!((listed.len(), &listed[0].id), (1, &kept[0]));
}
