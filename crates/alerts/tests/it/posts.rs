//! The way of an event to its receiver, and what befalls it there.

use std::time::Duration;

use alerts::{AlertsConfig, MailConfig, Reach};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel::Clock;
use secrecy::ExposeSecret;
use store::{NewWebhook, NoticeChannel};

use crate::bench::Bench;
use crate::receiver::{Answer, Receiver};

const DAY: Duration = Duration::from_secs(86_400);

/// Whether the post is signed with the secret, by the Standard Webhooks specification.
fn is_signed(post: &crate::receiver::Post, secret: &str) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let header = |name: &str| post.headers[name].as_str();
    let text = format!("{}.{}.{}", header("webhook-id"), header("webhook-timestamp"), post.body);
    let tag = STANDARD.decode(header("webhook-signature").strip_prefix("v1,").unwrap()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    hmac::verify(&key, text.as_bytes(), &tag).is_ok()
}

#[tokio::test]
async fn posts_are_signed_and_say_what_they_are() {
    let (bench, receiver) = (Bench::new().await, Receiver::start(&[]).await);
    let (webhook, secret) = bench.webhook(&receiver.url).await;
    let id = bench.alerts.webhook_test(&bench.scope, &webhook.id).await.unwrap();
    bench.post().await;
    let posts = receiver.posts();
    let post = &posts[0];
    assert_eq!(post.line, "POST /hooks?kind=all HTTP/1.1");
    assert_eq!(post.headers["content-type"], "application/json");
    assert_eq!(format!("http://{}/hooks?kind=all", post.headers["host"]), receiver.url);
    assert!(post.headers["user-agent"].starts_with("Kijun-Webhook/"));
    assert_eq!(post.headers["webhook-id"], id.as_str());
    assert_eq!(post.headers["webhook-timestamp"], bench.clock.now().as_secs().to_string());
    assert!(is_signed(post, secret.expose_secret()));
    assert!(post.body.contains(r#""type":"kijun.webhook.test""#), "{}", post.body);
    let outbox = bench.outbox().await;
    assert_eq!((outbox.len(), outbox[0].delivered_at), (1, Some(bench.clock.now())));

    let (_, new) =
        bench.alerts.webhook_rotate(&bench.store, &bench.scope, &webhook.id).await.unwrap();
    bench.alerts.webhook_test(&bench.scope, &webhook.id).await.unwrap();
    bench.post().await;
    let post = &receiver.posts()[1];
    assert!(is_signed(post, new.expose_secret()) && !is_signed(post, secret.expose_secret()));
}

#[tokio::test]
async fn what_fails_is_posted_again_under_the_same_id() {
    let answers =
        [Answer::Status(500, ""), Answer::HangUp, Answer::Status(302, "location: /elsewhere\r\n")];
    let (bench, receiver) = (Bench::new().await, Receiver::start(&answers).await);
    let (webhook, secret) = bench.webhook(&receiver.url).await;
    bench.alerts.webhook_test(&bench.scope, &webhook.id).await.unwrap();
    let mut errors = Vec::new();
    for attempt in 1..=4 {
        bench.post().await;
        bench.post().await;
        assert_eq!(receiver.posts().len(), attempt, "not before its time, and no redirect");
        errors.push(bench.outbox().await[0].last_error.clone());
        bench.clock.advance(Duration::from_secs(3_600));
    }
    let errors: Vec<_> = errors.into_iter().map(Option::unwrap_or_default).collect();
    assert_eq!(errors[0], "the receiver answered 500");
    assert_eq!(errors[1], "it closed the connection before it answered");
    assert_eq!(errors[2], "the receiver answered 302");
    assert_eq!(errors[3], "", "delivered");
    let posts = receiver.posts();
    assert!(posts.iter().all(|post| is_signed(post, secret.expose_secret())));
    assert!(posts.iter().all(|post| post.headers["webhook-id"] == posts[0].headers["webhook-id"]));
    assert!(posts.iter().all(|post| post.body == posts[0].body));
    assert_ne!(posts[0].headers["webhook-timestamp"], posts[3].headers["webhook-timestamp"]);
}

#[tokio::test]
async fn gone_is_gone() {
    let (bench, receiver) = (Bench::new().await, Receiver::start(&[Answer::Status(410, "")]).await);
    let (webhook, _) = bench.webhook(&receiver.url).await;
    bench.alerts.webhook_test(&bench.scope, &webhook.id).await.unwrap();
    bench.post().await;
    bench.clock.advance(DAY);
    bench.post().await;
    assert_eq!(receiver.posts().len(), 1);
    assert!(bench.outbox().await[0].failed_at.is_some());
    // Only that notice: the next event is tried.
    bench.alerts.webhook_test(&bench.scope, &webhook.id).await.unwrap();
    bench.post().await;
    assert!(bench.outbox().await[1].delivered_at.is_some());
}

#[tokio::test]
async fn after_a_day_it_is_given_up_and_can_be_seen() {
    let bench = Bench::new().await;
    let closed = Receiver::start(&[]).await.url.clone();
    let (webhook, _) = bench.webhook(&closed).await;
    let id = bench.alerts.webhook_test(&bench.scope, &webhook.id).await.unwrap();
    let start = bench.clock.now();
    let mut attempts = 0;
    loop {
        bench.post().await;
        let notice = bench.outbox().await.remove(0);
        assert!(notice.attempts > attempts, "every pause leads to an attempt");
        attempts = notice.attempts;
        assert!(notice.last_error.as_deref().unwrap().starts_with("no connection"));
        if notice.failed_at.is_some() {
            break;
        }
        bench.clock.advance(notice.next_at.since(bench.clock.now()));
    }
    assert!((8..=16).contains(&attempts), "{attempts}");
    let tried_for = bench.clock.now().since(start);
    assert!(tried_for <= DAY && tried_for > DAY * 3 / 4, "{tried_for:?}");
    bench.store.notice_requeue(&bench.scope, &id).await.unwrap();
    bench.post().await;
    assert_eq!(bench.outbox().await[0].attempts, attempts + 1);
}

#[tokio::test]
async fn a_receiver_that_is_silent_is_waited_for_no_longer_than_it_may() {
    let config = AlertsConfig { webhook_timeout_ms: 30, ..AlertsConfig::default() };
    let bench = Bench::with(config, MailConfig::default()).await;
    let (silent, quick) = (Receiver::start(&[Answer::Silence]).await, Receiver::start(&[]).await);
    for url in [&silent.url, &quick.url] {
        let (webhook, _) = bench.webhook(url).await;
        bench.alerts.webhook_test(&bench.scope, &webhook.id).await.unwrap();
    }
    bench.post().await;
    let mut errors: Vec<_> =
        bench.outbox().await.into_iter().map(|notice| notice.last_error).collect();
    errors.sort();
    assert_eq!(errors, [None, Some("it did not answer within 30 ms".into())]);
    assert_eq!(quick.posts().len(), 1, "the other one is not held up");
}

#[tokio::test]
async fn what_a_dead_node_sent_is_sent_again_under_the_same_id() {
    let (bench, receiver) = (Bench::new().await, Receiver::start(&[Answer::Silence]).await);
    let (webhook, _) = bench.webhook(&receiver.url).await;
    bench.alerts.webhook_test(&bench.scope, &webhook.id).await.unwrap();
    let dying = bench.another(AlertsConfig::default(), MailConfig::default());
    tokio::select! {
        done = dying.deliver_due(NoticeChannel::Webhook) => panic!("{done:?}"),
        // It dies between sending and marking.
        () = receiver.posts_reach(1) => {}
    }
    bench.post().await;
    assert_eq!(receiver.posts().len(), 1, "it is still leased");
    bench.clock.advance(Duration::from_secs(120));
    bench.post().await;
    let posts = receiver.posts();
    assert_eq!(posts.len(), 2);
    assert_eq!(posts[0].headers["webhook-id"], posts[1].headers["webhook-id"]);
    assert!(bench.outbox().await[0].delivered_at.is_some());
}

#[tokio::test]
async fn what_webhooks_may_not_reach_is_not_reached() {
    let config = |reach| AlertsConfig { webhook_addresses: reach, ..AlertsConfig::default() };
    let bench = Bench::with(config(Reach::Any), MailConfig::default()).await;
    let receiver = Receiver::start(&[]).await;
    let name = receiver.url.replace("127.0.0.1", "localhost");
    for url in [&*receiver.url, &*name, "http://169.254.169.254/latest/meta-data/"] {
        let (webhook, _) = bench.webhook(url).await;
        bench.alerts.webhook_test(&bench.scope, &webhook.id).await.unwrap();
    }
    // They were made when they might be reached.
    let node = bench.another(config(Reach::Public), MailConfig::default());
    assert_eq!(node.deliver_due(NoticeChannel::Webhook).await.unwrap(), 3);
    assert!(receiver.posts().is_empty());
    for notice in bench.outbox().await {
        assert!(notice.last_error.unwrap().contains("alerts.webhook_addresses"));
    }
}

#[tokio::test]
async fn a_webhook_that_was_disabled_gets_nothing() {
    let (bench, receiver) = (Bench::new().await, Receiver::start(&[]).await);
    let (webhook, _) = bench.webhook(&receiver.url).await;
    bench.alerts.webhook_test(&bench.scope, &webhook.id).await.unwrap();
    let off =
        NewWebhook { name: webhook.name, url: webhook.url, events: webhook.events, disabled: true };
    bench.alerts.webhook_update(&bench.store, &bench.scope, &webhook.id, &off).await.unwrap();
    bench.post().await;
    assert!(receiver.posts().is_empty());
    let said = bench.outbox().await.remove(0).last_error;
    assert_eq!(said.as_deref(), Some("its webhook is disabled"));
    let refused = bench.alerts.webhook_test(&bench.scope, &webhook.id).await.unwrap_err();
    assert!(refused.to_string().contains("enable it first"));
}

/// The loop that a node runs, on real time: it is over at its first look.
#[tokio::test]
async fn a_running_node_delivers() {
    let (bench, receiver) = (Bench::new().await, Receiver::start(&[]).await);
    let (webhook, _) = bench.webhook(&receiver.url).await;
    bench.alerts.webhook_test(&bench.scope, &webhook.id).await.unwrap();
    receiver.then(Answer::Status(204, ""));
    tokio::select! {
        () = bench.alerts.run() => {}
        () = receiver.posts_reach(1) => {}
    }
}
