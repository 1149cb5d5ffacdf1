//! Whose request it is, as far as the network tells.
//!
//! Behind a proxy the socket's other end is the proxy, and what a header says about the client is
//! whatever the client wrote, except for what a proxy that we trust has added. So a header is read
//! from the right, hop by hop, for as long as the hop that spoke is trusted; and only the one header
//! that the proxies are known to write: any other one comes from the client as it likes.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;
use serde::Deserialize;

/// The client's address, as an extension of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// The proxies before us, whose word about a client's address is taken.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    nets: Vec<IpNet>,
    header: ProxyHeader,
}

/// Where proxies write down whom they speak for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum ProxyHeader {
    /// What nearly all of them write.
    #[default]
    #[serde(rename = "x-forwarded-for")]
    XForwardedFor,
    /// RFC 7239.
    #[serde(rename = "forwarded")]
    Forwarded,
}

impl TrustedProxies {
    /// These networks, which write this header.
    pub const fn new(nets: Vec<IpNet>, header: ProxyHeader) -> Self {
        Self { nets, header }
    }

    /// Whether this address is one of theirs.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.nets.iter().any(|net| net.contains(&address))
    }

    /// The client's address: the socket's other end, or the first hop behind trusted ones.
    pub fn client(&self, socket: IpAddr, headers: &HeaderMap) -> Peer {
        let mut nearest = socket.to_canonical();
        if !self.contains(nearest) {
            return Peer(nearest);
        }
        let name = match self.header {
            ProxyHeader::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            ProxyHeader::Forwarded => header::FORWARDED,
        };
        // Several lines are one list.
        let lines: Vec<&str> =
            headers.get_all(name).iter().map(|line| line.to_str().unwrap_or("?")).collect();
        for element in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
            let hop = match self.header {
                ProxyHeader::XForwardedFor => node(element),
                ProxyHeader::Forwarded => forwarded_for(element).and_then(node),
            };
            // What says nothing readable ends the chain at the last hop that is known.
            let Some(hop) = hop else { break };
            nearest = hop;
            if !self.contains(nearest) {
                break;
            }
        }
        Peer(nearest)
    }
}

/// The value of `for` in one element of `Forwarded`. A quoted comma would have cut the element in
/// two, and then neither half is read: addresses have none.
fn forwarded_for(element: &str) -> Option<&str> {
    let mut found = element.split(';').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim())
    });
    let value = found.next()?;
    // Two say nothing.
    found.next().is_none().then_some(value)
}

/// An address as proxies write it: with quotes, brackets and a port, or without.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let text = match text.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => text,
    };
    let address = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            (port.is_empty() || is_port(port.strip_prefix(':')?)).then_some(address)?
        }
        None => match text.split_once(':') {
            // More than one colon: IPv6 without brackets.
            Some((address, port)) if !port.contains(':') => is_port(port).then_some(address)?,
            _ => text,
        },
    };
    address.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(header: ProxyHeader, socket: &str, lines: &[&str]) -> String {
        let nets = ["10.0.0.0/8", "::1/128"].map(|net| net.parse().unwrap()).to_vec();
        let proxies = TrustedProxies::new(nets, header);
        let mut headers = HeaderMap::new();
        for line in lines {
            let name = match header {
                ProxyHeader::XForwardedFor => "x-forwarded-for",
                ProxyHeader::Forwarded => "forwarded",
            };
            headers.append(name, line.parse().unwrap());
        }
        proxies.client(socket.parse().unwrap(), &headers).0.to_string()
    }

    #[test]
    fn the_first_hop_that_nobody_vouches_for_is_the_client() {
        let of = |socket, lines: &[&str]| client(ProxyHeader::XForwardedFor, socket, lines);
        for (socket, lines, expected) in [
            // Nobody vouches for what a stranger says.
            ("192.0.2.9", &["203.0.113.1"][..], "192.0.2.9"),
            ("10.0.0.1", &["203.0.113.1"], "203.0.113.1"),
            // The client put an address of its own to the left.
            ("10.0.0.1", &["198.51.100.7, 203.0.113.1"], "203.0.113.1"),
            ("10.0.0.1", &["10.0.0.9, 203.0.113.1, 10.0.0.2"], "203.0.113.1"),
            ("10.0.0.1", &["198.51.100.7", "203.0.113.1"], "203.0.113.1"),
            // Only proxies: the farthest one.
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["nonsense"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.1, nonsense, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["203.0.113.1:8080"], "203.0.113.1"),
            ("::ffff:10.0.0.1", &["::ffff:203.0.113.1"], "203.0.113.1"),
            ("::1", &["[2001:db8::1]:443"], "2001:db8::1"),
            ("::1", &["2001:db8::1"], "2001:db8::1"),
        ] {
            assert_eq!(of(socket, lines), expected, "{socket} {lines:?}");
        }
    }

    #[test]
    fn rfc_7239_is_read() {
        let of = |lines: &[&str]| client(ProxyHeader::Forwarded, "10.0.0.1", lines);
        for (line, expected) in [
            ("for=203.0.113.1;proto=https;by=10.0.0.1", "203.0.113.1"),
            ("proto=https; For=\"[2001:db8::1]:4711\"", "2001:db8::1"),
            ("for=198.51.100.7, for=203.0.113.1, for=10.0.0.2", "203.0.113.1"),
            ("for=unknown", "10.0.0.1"),
            ("for=_hidden, for=10.0.0.5", "10.0.0.5"),
            ("for=198.51.100.7;for=203.0.113.1", "10.0.0.1"),
            ("for=\"203.0.113.1", "10.0.0.1"),
            ("203.0.113.1", "10.0.0.1"),
        ] {
            assert_eq!(of(&[line]), expected, "{line}");
        }
    }

    #[test]
    fn only_the_header_of_the_proxies_is_read() {
        let proxies =
            TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()], ProxyHeader::Forwarded);
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "203.0.113.1".parse().unwrap());
        let peer = proxies.client("10.0.0.1".parse().unwrap(), &headers);
        assert_eq!(peer.0.to_string(), "10.0.0.1");
    }
}
