//! Where a provider is: a base URL, taken apart once.

use http::{HeaderValue, Uri};

/// What one connection leads to.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// Whether to speak TLS.
    pub(super) tls: bool,
    /// A DNS name or an address, without the brackets of IPv6.
    pub(super) host: Box<str>,
    /// The port.
    pub(super) port: u16,
}

/// A provider's base URL.
#[derive(Debug, Clone)]
pub(crate) struct BaseUrl {
    pub(super) origin: Origin,
    /// Host and port as they were written.
    authority: HeaderValue,
    /// The path, without the slash at its end.
    path: String,
}

impl BaseUrl {
    /// Reads a base URL.
    ///
    /// # Errors
    /// Says what is wrong and how to mend it, without repeating what may be a password.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (tls, rest) = if let Some(rest) = strip_scheme(text, "https://") {
            (true, rest)
        } else if let Some(rest) = strip_scheme(text, "http://") {
            (false, rest)
        } else {
            return Err("it must begin with http:// or https://".to_owned());
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err("it carries a user name or password; put the credential into `api_key` \
                        or `headers`"
                .to_owned());
        }
        if rest.contains(['?', '#']) {
            return Err("it carries a query or fragment; end it with the path (an api-version \
                        belongs into `api_version`)"
                .to_owned());
        }
        let wrong = |why: &dyn std::fmt::Display| format!("it is no valid URL: {why}");
        let uri: Uri = text.parse().map_err(|error| wrong(&error))?;
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| wrong(&"it names no host"))?;
        let port = match uri.port() {
            Some(port) if port.as_u16() == 0 => return Err(wrong(&"port 0 cannot be reached")),
            Some(port) => port.as_u16(),
            None if authority.ends_with(':') || !authority.ends_with(host) => {
                return Err(wrong(&"its port is not a number from 1 to 65535"));
            }
            None if tls => 443,
            None => 80,
        };
        let authority = HeaderValue::from_str(authority).map_err(|error| wrong(&error))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').into();
        Ok(Self {
            origin: Origin { tls, host, port },
            authority,
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// The `host` header of requests.
    pub(crate) fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    /// The path of the base, without the slash at its end.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The same place with another path.
    pub(crate) fn with_path(mut self, path: &str) -> Self {
        path.trim_end_matches('/').clone_into(&mut self.path);
        self
    }

    /// The request target of a path below the base; it begins with `/` and is percent-encoded.
    ///
    /// # Errors
    /// Says why it is no path.
    pub(crate) fn target(&self, below: &str) -> Result<Uri, String> {
        format!("{}{below}", self.path).parse().map_err(|error| format!("{error}"))
    }
}

/// One segment of a path: what is no unreserved character is percent-encoded.
pub(crate) fn segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':') {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            for nibble in [byte >> 4, byte & 15] {
                let digit = char::from_digit(u32::from(nibble), 16).unwrap_or('0');
                encoded.push(digit.to_ascii_uppercase());
            }
        }
    }
    encoded
}

fn strip_scheme<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let head = text.get(..scheme.len())?;
    head.eq_ignore_ascii_case(scheme).then(|| text.get(scheme.len()..)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> (bool, String, u16, String) {
        let base = BaseUrl::parse(text).unwrap();
        (base.origin.tls, base.origin.host.to_string(), base.origin.port, base.path)
    }

    #[test]
    fn takes_urls_apart() {
        let cases = [
            ("https://api.openai.com/v1", (true, "api.openai.com", 443, "/v1")),
            ("http://127.0.0.1:8080/", (false, "127.0.0.1", 8080, "")),
            ("http://[::1]:9/a/b//", (false, "::1", 9, "/a/b")),
            ("HTTP://Host", (false, "Host", 80, "")),
            ("http://[2001:db8::1]", (false, "2001:db8::1", 80, "")),
        ];
        for (text, (tls, host, port, path)) in cases {
            assert_eq!(origin(text), (tls, host.to_owned(), port, path.to_owned()), "{text}");
        }
    }

    #[test]
    fn refuses_what_cannot_be_meant() {
        for (text, mend) in [
            ("localhost:8080/v1", "begin with http"),
            ("ftp://x", "begin with http"),
            ("http://", "valid URL"),
            ("http://me:hunter2@host/v1", "api_key"),
            ("https://x/openai?api-version=1", "api_version"),
            ("http://host:99999/v1", "valid URL"),
            ("http://host:0/v1", "port 0"),
            ("http://host:/v1", "port"),
            ("http://ho st/v1", "valid URL"),
        ] {
            let error = BaseUrl::parse(text).unwrap_err();
            assert!(error.contains(mend), "{text}: {error}");
            assert!(!error.contains("hunter2"));
        }
    }

    #[test]
    fn targets_are_below_the_base() {
        let base = BaseUrl::parse("http://h/prefix/v1/").unwrap();
        assert_eq!(base.target("/models").unwrap(), "/prefix/v1/models");
        let bare = BaseUrl::parse("http://h").unwrap();
        assert_eq!(bare.target("/models?limit=1").unwrap(), "/models?limit=1");
    }

    #[test]
    fn segments_cannot_leave_their_place() {
        assert_eq!(segment("gemini-2.5-pro"), "gemini-2.5-pro");
        assert_eq!(segment("../a?b#c d/é"), "..%2Fa%3Fb%23c%20d%2F%C3%A9");
    }
}
