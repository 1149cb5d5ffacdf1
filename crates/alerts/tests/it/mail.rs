//! Mail, to a server that takes it, refuses it, or is not there.

use std::time::Duration;

use alerts::{AlertsConfig, MailConfig};
use kernel::{Clock, NoticeId};
use store::NoticeChannel;

use crate::bench::{Bench, dollars, email};
use crate::mail_server::{MailServer, Refusing};

fn through(server: &MailServer) -> MailConfig {
    let from = "Kijun <kijun@ops.example>".into();
    MailConfig { url: Some(server.url.clone().into()), from }
}

async fn spend(bench: &Bench, recipients: &[&str]) {
    let made = bench.store.spend_alert_create(&bench.scope, dollars(1), email(recipients));
    made.await.unwrap();
    bench.call(1, |call| call.cost = Some(dollars(2))).await;
    bench.look().await;
}

#[tokio::test]
async fn everybody_gets_a_mail_of_their_own() {
    let server = MailServer::start().await;
    let bench = Bench::with(AlertsConfig::default(), through(&server)).await;
    spend(&bench, &["ann@acme.example", "bob@acme.example"]).await;
    assert_eq!(bench.alerts.deliver_due(NoticeChannel::Email).await.unwrap(), 2);
    let mut mails = server.mails();
    mails.sort_by(|one, other| one.to.cmp(&other.to));
    let to: Vec<_> = mails.iter().map(|mail| mail.to.as_str()).collect();
    assert_eq!(to, ["ann@acme.example", "bob@acme.example"]);
    let outbox = bench.outbox().await;
    for mail in &mails {
        assert_eq!(mail.from, "kijun@ops.example");
        let is_this =
            |id: &NoticeId| mail.text.contains(&format!("Message-ID: <{id}@ops.example>"));
        assert_eq!(outbox.iter().filter(|notice| is_this(&notice.id)).count(), 1);
        for part in [
            "From: Kijun <kijun@ops.example>",
            "Auto-Submitted: auto-generated",
            "has spent $2.00",
            "told at $1.00",
            "Date: Sun, 15 Mar 2026 12:01:00 +0000",
        ] {
            // As mail programs read it, without the ends of its encoding's lines.
            let text = mail.text.replace("=\r\n", "");
            assert!(text.contains(part), "{part}:\n{text}");
        }
        assert!(!mail.text.contains(if mail.to.starts_with("ann") { "bob" } else { "ann" }));
    }
}

#[tokio::test]
async fn a_wrong_address_holds_nobody_up() {
    let server = MailServer::start().await;
    let bench = Bench::with(AlertsConfig::default(), through(&server)).await;
    spend(&bench, &["550-nobody@acme.example", "451-later@acme.example", "ann@acme.example"]).await;
    bench.alerts.deliver_due(NoticeChannel::Email).await.unwrap();
    assert_eq!(server.mails().len(), 1);
    let outbox = bench.outbox().await;
    assert_eq!(outbox.iter().filter(|notice| notice.delivered_at.is_some()).count(), 1);
    let failed: Vec<_> = outbox.iter().filter(|notice| notice.failed_at.is_some()).collect();
    assert_eq!(failed.len(), 1, "550 is for good, 451 is not");
    let said = failed[0].last_error.as_deref().unwrap();
    assert!(said.contains("did not take it") && !said.contains("nobody@"), "{said}");
    bench.clock.advance(Duration::from_secs(7));
    assert_eq!(bench.alerts.deliver_due(NoticeChannel::Email).await.unwrap(), 1);
}

#[tokio::test]
async fn mail_waits_for_a_server() {
    let bench = Bench::new().await;
    assert!(!bench.alerts.can_mail());
    spend(&bench, &["ann@acme.example"]).await;
    assert_eq!(bench.alerts.deliver_due(NoticeChannel::Email).await.unwrap(), 0);
    assert_eq!(bench.store.notice_waiting(Some(NoticeChannel::Email)).await.unwrap().notices, 1);
    // Days later somebody sets one.
    bench.clock.advance(Duration::from_secs(5 * 86_400));
    let server = MailServer::start().await;
    let node = bench.another(AlertsConfig::default(), through(&server));
    assert_eq!(node.deliver_due(NoticeChannel::Email).await.unwrap(), 1);
    assert_eq!(server.mails().len(), 1);
    assert_eq!(bench.outbox().await[0].delivered_at, Some(bench.clock.now()));
}

#[tokio::test]
async fn a_server_that_is_away_is_tried_again() {
    let server = MailServer::start().await;
    let mail = through(&server);
    drop(server);
    let bench = Bench::with(AlertsConfig::default(), mail).await;
    spend(&bench, &["ann@acme.example"]).await;
    bench.alerts.deliver_due(NoticeChannel::Email).await.unwrap();
    let notice = bench.outbox().await.remove(0);
    assert_eq!((notice.attempts, notice.failed_at), (1, None));
    assert!(notice.next_at > bench.clock.now());
}

#[tokio::test]
async fn a_server_that_refuses_everybody_is_tried_again() {
    for refusing in [
        Refusing::Login("535 5.7.8 the password has expired"),
        Refusing::Login("550 5.7.0 who are you"),
        Refusing::Greeting("554 no mail is taken here"),
        Refusing::Sender("530 5.7.0 log in first"),
        Refusing::Sender("553 5.1.8 <kijun@ops.example>: there is no such domain"),
    ] {
        let wrong = MailServer::refusing(refusing).await;
        let bench = Bench::with(AlertsConfig::default(), through(&wrong)).await;
        spend(&bench, &["ann@acme.example"]).await;
        bench.alerts.deliver_due(NoticeChannel::Email).await.unwrap();
        let notice = bench.outbox().await.remove(0);
        assert_eq!((notice.attempts, notice.failed_at), (1, None), "{refusing:?}");
        assert!(notice.last_error.unwrap().contains("did not take it"));
        // Somebody mends it.
        bench.clock.advance(Duration::from_secs(7));
        let right = MailServer::start().await;
        let node = bench.another(AlertsConfig::default(), through(&right));
        assert_eq!(node.deliver_due(NoticeChannel::Email).await.unwrap(), 1);
        assert_eq!(right.mails().len(), 1);
    }
}
