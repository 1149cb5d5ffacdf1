//! Mail by SMTP: one for each recipient, so that a wrong address holds nobody else up.

use std::error::Error as _;
use std::time::{Duration, SystemTime};

use kernel::Timestamp;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::response::Category;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use secrecy::ExposeSecret;
use store::Notice;
use tokio::time::timeout;

use crate::{AlertsError, MailConfig};

/// How long a mail server may take for a mail.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends mail.
pub(crate) struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

/// Why a mail was not sent.
pub(crate) struct MailError {
    pub(crate) reason: String,
    /// Whether the server would refuse this mail another time, too.
    pub(crate) for_good: bool,
}

impl Mailer {
    /// A mailer, where there is a server to send by.
    ///
    /// # Errors
    /// When the server's URL or the sender cannot be read.
    pub(crate) fn new(config: &MailConfig) -> Result<Option<Self>, AlertsError> {
        let Some(url) = &config.url else { return Ok(None) };
        let wrong = |reason: &str| {
            let form = "write one such as smtp://user:password@mail.example.com:587";
            AlertsError::invalid("mail.url", format!("{reason}; {form}"))
        };
        let url = with_tls(url.expose_secret()).map_err(wrong)?;
        // lettre's own words could repeat a part of the URL.
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(&url)
            .map_err(|_| wrong("cannot be read as a mail server's URL"))?
            .build();
        let from = config.from.parse().map_err(|_| {
            let reason = "is no sender; write one such as \"Kijun <kijun@example.com>\"";
            AlertsError::invalid("mail.from", reason)
        })?;
        Ok(Some(Self { transport, from }))
    }

    /// Sends a notice to an address.
    pub(crate) async fn send(
        &self,
        notice: &Notice,
        address: &str,
        now: Timestamp,
    ) -> Result<(), MailError> {
        let message = self
            .message(notice, address, now)
            .map_err(|reason| MailError { reason, for_good: true })?;
        timeout(PATIENCE, self.hand_over(message, address)).await.unwrap_or_else(|_| {
            let reason = format!("the mail server took longer than {} s", PATIENCE.as_secs());
            Err(MailError { reason, for_good: false })
        })
    }

    async fn hand_over(&self, message: Message, address: &str) -> Result<(), MailError> {
        let Err(error) = self.transport.send(message).await else { return Ok(()) };
        Err(MailError {
            for_good: error.is_permanent() && !is_about_us(&error) && self.is_let_in().await,
            reason: format!("the mail server did not take it: {}", explain(&error, address)),
        })
    }

    /// Whether the server speaks with us at all. One that does not would refuse every mail, until
    /// somebody mends that.
    async fn is_let_in(&self) -> bool {
        matches!(self.transport.test_connection().await, Ok(true))
    }

    fn message(&self, notice: &Notice, address: &str, now: Timestamp) -> Result<Message, String> {
        let to: Mailbox = address.parse().map_err(|_| "the recipient is no e-mail address")?;
        // The same at every attempt, so that a mail that was sent twice is shown once.
        let id = format!("<{}@{}>", notice.id, self.from.email.domain());
        let micros = u64::try_from(now.as_micros()).unwrap_or(0);
        // What looks like an encoded word is one to who reads it, line breaks and all.
        let subject = notice.notice.subject.replace(char::is_control, " ").replace("=?", "= ?");
        Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(subject)
            .message_id(Some(id))
            .date(SystemTime::UNIX_EPOCH + Duration::from_micros(micros))
            // Nobody's out-of-office reply is wanted.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".into(),
            ))
            .header(ContentType::TEXT_PLAIN)
            .body(notice.notice.body.clone())
            .map_err(|error| format!("the mail could not be written: {error}"))
    }
}

/// Whether what the server refuses is us, and not the mail or its recipient: the password (RFC 4954),
/// or the sender (RFC 3463).
fn is_about_us(error: &lettre::transport::smtp::Error) -> bool {
    let is_login = error.status().is_some_and(|code| code.category == Category::Unspecified3);
    let words = error.source().map(ToString::to_string).unwrap_or_default();
    is_login || ["5.1.7", "5.1.8"].iter().any(|code| words.starts_with(code))
}

/// What the server said, without the address that it may repeat.
fn explain(error: &lettre::transport::smtp::Error, address: &str) -> String {
    error.to_string().replace(address, "the recipient")
}

/// The URL as lettre has it. A password never goes over a network in the clear, nor does what mails
/// say, unless somebody asks for that.
fn with_tls(url: &str) -> Result<String, &'static str> {
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    let scheme = place.split_once("://").map(|(scheme, _)| scheme);
    match (scheme, query) {
        (Some("smtps"), "") => Ok(place.to_owned()),
        (Some("smtp"), "" | "tls=required") => Ok(format!("{place}?tls=required")),
        (Some("smtp"), "tls=none") => Ok(place.to_owned()),
        (Some("smtp" | "smtps"), _) => Err("has a query other than ?tls=required or ?tls=none"),
        _ => Err("begins neither with smtp:// nor with smtps://"),
    }
}

#[cfg(test)]
mod tests {
    use store::{NewNotice, NotificationChannel, Recipient};

    use super::*;

    #[test]
    fn mail_goes_over_tls_unless_somebody_says_otherwise() {
        assert_eq!(with_tls("smtp://u:p@h:587").as_deref(), Ok("smtp://u:p@h:587?tls=required"));
        assert_eq!(with_tls("smtps://h").as_deref(), Ok("smtps://h"));
        assert_eq!(with_tls("smtp://h:25?tls=none").as_deref(), Ok("smtp://h:25"));
        for wrong in ["h:25", "http://h", "smtp://h?tls=maybe", ""] {
            assert!(with_tls(wrong).is_err(), "{wrong}");
        }
    }

    fn mailer() -> Mailer {
        let config = MailConfig { url: Some("smtp://h".into()), from: "kijun@b.example".into() };
        Mailer::new(&config).unwrap().unwrap()
    }

    fn notice(subject: &str) -> Notice {
        Notice {
            id: "notice_1".into(),
            notice: NewNotice {
                organization: "org-1".into(),
                to: Recipient::Email("a@b.example".into()),
                kind: "kijun.test".into(),
                subject: subject.into(),
                body: "A test.".into(),
            },
            created_at: Timestamp::default(),
            attempts: 0,
            next_at: Timestamp::default(),
            delivered_at: None,
            failed_at: None,
            last_error: None,
        }
    }

    #[test]
    fn every_address_that_is_taken_can_be_mailed() {
        let is_taken = |address: &str| {
            let recipients = vec![address.to_owned()];
            NotificationChannel::Email { recipients, subject_prefix: None }.check().is_ok()
        };
        let ours =
            ["ops@example.com", "ops+night@例え.jp", "o'b.c@d-e.example", "a=b?c{d}@e", "1@2.3"];
        for address in ours {
            assert!(is_taken(address), "{address}");
            let made = mailer().message(&notice("A test"), address, Timestamp::default());
            assert!(made.is_ok(), "{address}: {:?}", made.err());
        }
        for address in ["a\u{202e}@b.c", "a@b\u{202e}.c", "\u{e9}@b.c", "a@-b.c", ".a@b.c"] {
            assert!(!is_taken(address), "{address:?}");
        }
    }

    #[test]
    fn a_subject_holds_no_encoded_word_that_is_not_ours() {
        let subject = "=?utf-8?B?YQ0KQmNjOiB4?=: Organisation";
        let made = mailer().message(&notice(subject), "a@b.example", Timestamp::default());
        let mail = String::from_utf8(made.unwrap().formatted()).unwrap();
        assert!(mail.contains("Subject: = ?utf-8?B?"), "{mail}");
        assert!(!mail.contains("=?"), "{mail}");
    }

    #[test]
    fn wrong_settings_say_how_to_mend_them_and_repeat_no_password() {
        let config =
            |url: &str, from: &str| MailConfig { url: Some(url.into()), from: from.into() };
        let error = |url, from| Mailer::new(&config(url, from)).err().unwrap().to_string();
        for url in ["smtp://u:hunter2@", "hunter2", "smtp://u:hunter2@h?x"] {
            let said = error(url, "a@b.example");
            assert!(said.starts_with("mail.url") && !said.contains("hunter2"), "{said}");
        }
        assert!(error("smtp://h", "nobody").starts_with("mail.from"));
        assert!(Mailer::new(&MailConfig::default()).unwrap().is_none());
        assert!(!format!("{:?}", config("smtp://u:hunter2@h", "a@b")).contains("hunter2"));
    }
}
