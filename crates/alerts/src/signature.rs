//! Signatures of webhooks by the Standard Webhooks specification, which OpenAI's SDKs verify.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel::{NoticeId, Rng, Timestamp};
use secrecy::{ExposeSecret, SecretString};

/// What every secret begins with.
const PREFIX: &str = "whsec_";
/// Bytes of a secret: as many as the hash has.
const LENGTH: usize = 32;

/// A new secret.
pub(crate) fn new_secret(rng: &dyn Rng) -> SecretString {
    let mut bytes = [0; LENGTH];
    rng.fill(&mut bytes);
    format!("{PREFIX}{}", STANDARD.encode(bytes)).into()
}

/// The `webhook-signature` of a body; `None` when the secret is none.
pub(crate) fn sign(
    secret: &SecretString,
    id: &NoticeId,
    at: Timestamp,
    body: &str,
) -> Option<String> {
    let key = STANDARD.decode(secret.expose_secret().strip_prefix(PREFIX)?).ok()?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let tag = hmac::sign(&key, format!("{id}.{}.{body}", at.as_secs()).as_bytes());
    Some(format!("v1,{}", STANDARD.encode(tag)))
}

#[cfg(test)]
mod tests {
    use kernel::SystemRng;

    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn it_is_the_standard_signature() {
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let id = NoticeId::from("msg_p5jXN8AQM9LWM0D4loKWxJek");
        let signed =
            sign(&secret, &id, Timestamp::from_secs(1_614_265_330), r#"{"test": 2432232314}"#);
        assert_eq!(signed.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn secrets_are_new_and_usable() {
        let (one, two) = (new_secret(&SystemRng), new_secret(&SystemRng));
        assert_ne!(one.expose_secret(), two.expose_secret());
        let id = NoticeId::from("notice_1");
        assert!(sign(&one, &id, Timestamp::default(), "{}").is_some());
        assert!(sign(&"hunter2".into(), &id, Timestamp::default(), "{}").is_none());
    }
}
