//! From a provider's configuration to what its calls need, with errors that say how to mend it.

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use kernel::catalog::ProviderSpec;
use secrecy::ExposeSecret;

use crate::transport::BaseUrl;

/// A provider that cannot be built as it is configured. No message repeats a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No entry of the rack has this name.
    #[error("provider `{provider}`: there is no kind `{kind}`{}; the kinds are {known}",
        meant(.nearest))]
    UnknownKind {
        /// The provider.
        provider: String,
        /// What was written.
        kind: String,
        /// The kind that was probably meant.
        nearest: Option<String>,
        /// All kinds.
        known: String,
    },
    /// No server has quirks under this name.
    #[error("provider `{provider}`: there are no quirks named `{quirks}`{}; the names are {known}",
        meant(.nearest))]
    UnknownQuirks {
        /// The provider.
        provider: String,
        /// What was written.
        quirks: String,
        /// The name that was probably meant.
        nearest: Option<String>,
        /// All names.
        known: String,
    },
    /// A setting is missing or wrong.
    #[error("provider `{provider}`: {setting}: {why}")]
    Setting {
        /// The provider.
        provider: String,
        /// Which setting.
        setting: &'static str,
        /// What is wrong and how to mend it.
        why: String,
    },
}

impl ConfigError {
    /// A setting of this provider that is missing or wrong.
    pub(crate) fn setting(
        spec: &ProviderSpec,
        setting: &'static str,
        why: impl Into<String>,
    ) -> Self {
        Self::Setting { provider: spec.name.clone(), setting, why: why.into() }
    }
}

/// How a provider wants to be shown the credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Credential {
    /// `authorization: Bearer …`; a server of one's own may do without.
    OptionalBearer,
    /// A header of its own, always.
    Header(&'static str),
}

/// The provider's base URL, or its kind's default.
pub(crate) fn base_url(spec: &ProviderSpec, default: Option<&str>) -> Result<BaseUrl, ConfigError> {
    let wrong = |why: String| ConfigError::setting(spec, "base_url", why);
    let text = spec.base_url.as_deref().or(default);
    let missing = || wrong(format!("this is needed for the kind `{}`", spec.kind));
    BaseUrl::parse(text.ok_or_else(missing)?).map_err(wrong)
}

/// The request target of a path below the base URL.
pub(crate) fn target(spec: &ProviderSpec, base: &BaseUrl, below: &str) -> Result<Uri, ConfigError> {
    base.target(below).map_err(|why| ConfigError::setting(spec, "base_url", why))
}

/// The headers that every call to the provider carries.
pub(crate) fn headers(
    spec: &ProviderSpec,
    credential: Credential,
) -> Result<HeaderMap, ConfigError> {
    let mut headers = HeaderMap::with_capacity(8 + spec.headers.len());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // What is not compressed need not be unpacked to be metered.
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(
        header::USER_AGENT,
        HeaderValue::from_static(concat!("kijun/", env!("CARGO_PKG_VERSION"))),
    );
    if let Some((name, value)) = authorization(spec, credential)? {
        headers.insert(name, value);
    }
    for (name, value) in &spec.headers {
        let wrong = |why: &str| ConfigError::setting(spec, "headers", format!("`{name}` {why}"));
        let parsed = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| wrong("is no valid header name"))?;
        if OURS.contains(&parsed) {
            return Err(wrong("is set by Kijun itself; remove it"));
        }
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| wrong("has a value with characters that no header may carry"))?;
        value.set_sensitive(true);
        headers.insert(parsed, value);
    }
    Ok(headers)
}

/// Headers that follow from the call itself.
const OURS: [HeaderName; 6] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::ACCEPT_ENCODING,
    header::CONTENT_TYPE,
];

fn authorization(
    spec: &ProviderSpec,
    credential: Credential,
) -> Result<Option<(HeaderName, HeaderValue)>, ConfigError> {
    // A key that was read from a file often ends with a line break.
    let key = spec.api_key.as_ref().map(|key| key.expose_secret().trim());
    let key = key.filter(|key| !key.is_empty());
    let name = match credential {
        Credential::OptionalBearer => header::AUTHORIZATION,
        Credential::Header(name) => HeaderName::from_static(name),
    };
    let Some(key) = key else {
        // Whoever gives the header by hand knows what they do.
        let by_hand = spec.headers.keys().any(|given| {
            given.eq_ignore_ascii_case(name.as_str()) || given.eq_ignore_ascii_case("authorization")
        });
        return match credential {
            Credential::Header(_) if !by_hand => {
                let why = format!("the kind `{}` needs a credential", spec.kind);
                Err(ConfigError::setting(spec, "api_key", why))
            }
            _ => Ok(None),
        };
    };
    let text = match credential {
        Credential::OptionalBearer => format!("Bearer {key}"),
        Credential::Header(_) => key.to_owned(),
    };
    let mut value = HeaderValue::try_from(text).map_err(|_| {
        let why = "the key has characters that no header may carry; is it the whole key and \
                   nothing else?";
        ConfigError::setting(spec, "api_key", why)
    })?;
    value.set_sensitive(true);
    Ok(Some((name, value)))
}

/// The known word that a wrong one was probably meant to be.
pub(crate) fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let scored = known.map(|word| (strsim::jaro_winkler(wrong, word), word));
    let best = scored.max_by(|(a, _), (b, _)| a.total_cmp(b));
    best.filter(|(score, _)| *score > 0.75).map(|(_, word)| word.to_owned())
}

fn meant(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |word| format!(" (did you mean `{word}`?)"))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use kernel::catalog::{Source, Timeouts};

    use super::*;

    pub(crate) fn spec(kind: &str) -> ProviderSpec {
        ProviderSpec {
            name: "test".to_owned(),
            kind: kind.to_owned(),
            base_url: None,
            api_key: None,
            quirks: None,
            api_version: None,
            headers: BTreeMap::new(),
            timeouts: Timeouts::default(),
            max_concurrent: None,
            discover: false,
            source: Source::File,
        }
    }

    #[test]
    fn keys_are_trimmed_and_never_shown() {
        let mut spec = spec("openai");
        spec.api_key = Some("sk-secret\n".to_owned().into());
        let headers = headers(&spec, Credential::OptionalBearer).unwrap();
        assert_eq!(headers["authorization"], "Bearer sk-secret");
        assert!(!format!("{headers:?}").contains("sk-secret"));
    }

    #[test]
    fn errors_name_the_setting_and_hide_its_value() {
        let mut wrong = spec("anthropic");
        let error = headers(&wrong, Credential::Header("x-api-key")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "provider `test`: api_key: the kind `anthropic` needs a credential"
        );
        wrong.api_key = Some("sk\nsecret".to_owned().into());
        let error = headers(&wrong, Credential::Header("x-api-key")).unwrap_err().to_string();
        assert!(error.contains("api_key") && !error.contains("secret"), "{error}");
        wrong.api_key = None;
        wrong.headers.insert("X-API-Key".to_owned(), "k".to_owned());
        assert_eq!(headers(&wrong, Credential::Header("x-api-key")).unwrap()["x-api-key"], "k");
        wrong.headers.insert("Content-Length".to_owned(), "1".to_owned());
        assert!(headers(&wrong, Credential::Header("x-api-key")).is_err());
    }

    #[test]
    fn the_nearest_word_is_near() {
        let known = ["openai", "anthropic", "azure"];
        assert_eq!(nearest("opnai", known.into_iter()).as_deref(), Some("openai"));
        assert_eq!(nearest("zzz", known.into_iter()), None);
    }
}
