//! Which providers have a vendor's list prices.

/// Whether a provider of this kind is the vendor's own endpoint. A compatible server of another's
/// or of one's own speaks the same protocol at other prices.
pub fn is_vendor_endpoint(kind: &str, base_url: Option<&str>) -> bool {
    let own_host = match kind {
        "openai" => "api.openai.com",
        "anthropic" => "api.anthropic.com",
        "gemini" => "generativelanguage.googleapis.com",
        _ => return false,
    };
    base_url.is_none_or(|url| host(url).is_some_and(|host| host.eq_ignore_ascii_case(own_host)))
}

/// The host of an `https` URL.
fn host(url: &str) -> Option<&str> {
    let authority = url.strip_prefix("https://")?.split(['/', '?', '#']).next()?;
    Some(authority.strip_suffix(":443").unwrap_or(authority))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_vendors_own_hosts_have_its_prices() {
        for (kind, base_url, own) in [
            ("openai", None, true),
            ("openai", Some("https://api.openai.com/v1"), true),
            ("openai", Some("https://API.openai.com:443/v1/"), true),
            ("openai", Some("https://api.openai.com"), true),
            ("openai", Some("https://api.openai.com.example.org/v1"), false),
            ("openai", Some("https://api.openai.com@example.org/v1"), false),
            ("openai", Some("http://api.openai.com/v1"), false),
            ("openai", Some("http://127.0.0.1:8000/v1"), false),
            ("anthropic", None, true),
            ("anthropic", Some("https://api.openai.com/v1"), false),
            ("gemini", Some("https://generativelanguage.googleapis.com/v1beta"), true),
            ("ollama", None, false),
            ("sim", None, false),
            ("azure", None, false),
        ] {
            assert_eq!(is_vendor_endpoint(kind, base_url), own, "{kind} {base_url:?}");
        }
    }
}
