//! How somebody wants to be told, in the shape of OpenAI's spend alerts.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::StoreError;

/// How somebody wants to be told.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum NotificationChannel {
    /// By e-mail.
    Email {
        /// Who gets one, each a mail of their own.
        recipients: Vec<String>,
        /// What the subject of each mail begins with.
        #[serde(default)]
        subject_prefix: Option<String>,
    },
}

impl fmt::Debug for NotificationChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Addresses are personal.
        let Self::Email { recipients, .. } = self;
        f.debug_struct("Email").field("recipients", &recipients.len()).finish_non_exhaustive()
    }
}

impl NotificationChannel {
    /// Fails when nobody can be told this way.
    ///
    /// # Errors
    /// [`StoreError::Invalid`]; it does not repeat an address.
    pub fn check(&self) -> Result<(), StoreError> {
        /// People that one alert tells.
        const MOST: usize = 20;
        /// Characters of a subject's prefix.
        const LONGEST: usize = 100;
        let Self::Email { recipients, subject_prefix } = self;
        if !(1..=MOST).contains(&recipients.len()) {
            let reason = format!("must have between 1 and {MOST} recipients");
            return Err(StoreError::invalid("a notification channel", reason));
        }
        if let Some(wrong) = recipients.iter().position(|address| !is_address(address)) {
            let reason =
                format!("number {} is no e-mail address such as ops@example.com", wrong + 1);
            return Err(StoreError::invalid("a notification channel's recipient", reason));
        }
        let prefix = subject_prefix.as_deref().unwrap_or_default();
        if prefix.chars().count() > LONGEST || prefix.chars().any(char::is_control) {
            let reason =
                format!("must have at most {LONGEST} characters, and no control characters");
            return Err(StoreError::invalid("a notification channel's subject prefix", reason));
        }
        // Mail programs would read it as text in another encoding.
        if prefix.contains("=?") {
            let reason = "must not contain `=?`";
            return Err(StoreError::invalid("a notification channel's subject prefix", reason));
        }
        Ok(())
    }
}

/// Whether mail could go there; whether somebody reads it there only the mail server knows. The name
/// of the host may be one of any script.
fn is_address(text: &str) -> bool {
    let Some((user, host)) = text.rsplit_once('@') else { return false };
    let is_atom = |atom: &str| {
        let odd = |c: char| !(c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(c));
        !atom.is_empty() && !atom.contains(odd)
    };
    let is_label = |label: &str| {
        let odd = |c: char| !(c.is_alphanumeric() || c == '-');
        let hyphen = label.starts_with('-') || label.ends_with('-');
        !label.is_empty() && label.len() <= 63 && !label.contains(odd) && !hyphen
    };
    text.len() <= 254
        && user.len() <= 64
        && user.split('.').all(is_atom)
        && host.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_the_official_shape() {
        let text = r#"{"type":"email","recipients":["a@b.example"],"subject_prefix":"Kijun"}"#;
        let channel: NotificationChannel = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&channel).unwrap(), text);
        let bare = r#"{"type":"email","recipients":["a@b.example"]}"#;
        assert!(serde_json::from_str::<NotificationChannel>(bare).unwrap().check().is_ok());
        assert!(!format!("{channel:?}").contains("b.example"));
        for wrong in [r#"{"type":"fax","recipients":[]}"#, r#"{"recipients":["a@b.example"]}"#] {
            assert!(serde_json::from_str::<NotificationChannel>(wrong).is_err());
        }
    }

    #[test]
    fn nobody_at_no_address_is_told_nothing() {
        let channel = |recipients: &[&str], prefix: Option<&str>| NotificationChannel::Email {
            recipients: recipients.iter().map(|&text| text.into()).collect(),
            subject_prefix: prefix.map(Into::into),
        };
        assert!(channel(&["ops+night@例え.jp"], Some("本番")).check().is_ok());
        let forms = ["", "ops", "@b", "a@", "a b@c", "a@b,c@d", "A <a@b>", "a@b\r\nBcc: c@d"];
        let letters = ["a\u{202e}@b.c", "\u{e9}@b.c", "a@b\u{202e}.c", "a..b@c", "a@b..c", "a@-b"];
        for wrong in forms.into_iter().chain(letters) {
            let error = channel(&["a@b.example", wrong], None).check().unwrap_err().to_string();
            assert!(error.contains("number 2"), "{wrong}: {error}");
        }
        assert!(channel(&[], None).check().is_err());
        assert!(channel(&["a@b"; 21], None).check().is_err());
        assert!(channel(&["a@b"], Some("a\nb")).check().is_err());
        assert!(channel(&["a@b"], Some("=?utf-8?B?YQ0K?=")).check().is_err());
    }
}
