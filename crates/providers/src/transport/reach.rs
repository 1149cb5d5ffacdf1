//! Where providers may be.
//!
//! Whoever may make providers by API chooses where this node connects to, from inside its network.
//! Some places there give credentials to whoever asks from the right machine; no model is served
//! there. Names can be made to lead anywhere, and elsewhere a moment later: so the address of every
//! single connection is judged, just before it is opened.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use serde::Deserialize;

/// `[outbound]`: where providers may be.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Section")]
pub struct Reach {
    nets: Vec<IpNet>,
    /// In small letters, without a dot at the end.
    names: Vec<String>,
    private_networks: bool,
}

/// As it is written down.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    deny: Vec<String>,
    private_networks: bool,
}

/// Where clouds hand out the credentials of their machines.
const DENIED: [&str; 11] = [
    "169.254.0.0/16",
    "fe80::/10",
    "fd00:ec2::/32",
    "fd20:ce::/32",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
    "metadata",
    "metadata.google.internal",
    "instance-data",
    "instance-data.ec2.internal",
];

impl Default for Reach {
    fn default() -> Self {
        let (nets, names): (Vec<_>, Vec<_>) =
            DENIED.into_iter().partition(|text| net(text).is_ok());
        Self {
            nets: nets.into_iter().filter_map(|text| net(text).ok()).collect(),
            names: names.into_iter().map(plain).collect(),
            private_networks: true,
        }
    }
}

impl TryFrom<Section> for Reach {
    type Error = String;

    fn try_from(section: Section) -> Result<Self, String> {
        let (mut nets, mut names) = (Vec::new(), Vec::new());
        for denied in section.deny {
            match net(&denied) {
                Ok(net) => nets.push(net),
                // No name has these: it was meant to be a network, and would deny nothing.
                Err(error) if denied.contains(['/', ':']) => return Err(error),
                Err(_) => names.push(plain(&denied)),
            }
        }
        Ok(Self { nets, names, private_networks: section.private_networks })
    }
}

impl Reach {
    /// Whether this host, a name or an address, may be a provider's as far as it shows.
    pub(crate) fn permits_host(&self, host: &str) -> bool {
        match host.parse::<IpAddr>() {
            Ok(address) => self.permits(address),
            Err(_) => self.permits_name(host),
        }
    }

    /// Whether a host of this name, or in a domain of it, may be a provider's.
    pub fn permits_name(&self, host: &str) -> bool {
        let host = plain(host);
        !self.names.iter().any(|name| {
            host.strip_suffix(name.as_str())
                .is_some_and(|before| before.is_empty() || before.ends_with('.'))
        })
    }

    /// Whether a provider may be at this address.
    pub fn permits(&self, address: IpAddr) -> bool {
        // IPv6 has several ways to say an address of IPv4, and routers undo them.
        let meant = embedded(address);
        [Some(address), meant].into_iter().flatten().all(|address| {
            let denied = self.nets.iter().any(|net| net.contains(&address));
            !denied && (self.private_networks || !is_private(address))
        })
    }
}

/// A network in CIDR notation, or one address.
///
/// # Errors
/// Repeats what it is not.
pub fn net(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let found = text.parse::<IpNet>().ok().or_else(address);
    found.ok_or_else(|| {
        format!("`{text}` is no network such as 10.0.0.0/8, and no address such as 10.0.0.1")
    })
}

fn plain(host: &str) -> String {
    host.trim().trim_end_matches('.').to_ascii_lowercase()
}

/// The address of IPv4 inside one of IPv6: mapped, compatible, of NAT64 or of 6to4.
fn embedded(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(v6) = address else { return None };
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let (high, low) = match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0 | 0xffff) | (0x64, 0xff9b, 0, 0, 0, 0) => (g, h),
        (0x2002, high, low, ..) => (high, low),
        _ => return None,
    };
    // These two are IPv6's own.
    let own = [Ipv6Addr::UNSPECIFIED, Ipv6Addr::LOCALHOST].contains(&v6);
    (!own).then(|| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)).into())
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || v4.is_multicast()
                // "This network", carrier-grade NAT, benchmarks, reserved.
                || first == 0
                || first == 100 && second & 0xc0 == 64
                || first == 198 && second & 0xfe == 18
                || first >= 240
        }
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || v6.is_multicast()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(reach: &Reach, address: &str) -> bool {
        reach.permits(address.parse().unwrap())
    }

    #[test]
    fn metadata_services_are_out_of_reach_in_every_disguise() {
        let reach = Reach::default();
        for denied in [
            "169.254.169.254",
            "169.254.170.2",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::1",
            "fe80::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "100.100.100.200",
            "168.63.129.16",
        ] {
            assert!(!permits(&reach, denied), "{denied}");
        }
        for allowed in
            ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "fd12::1", "192.0.2.1", "2001:db8::1"]
        {
            assert!(permits(&reach, allowed), "{allowed}");
        }
    }

    #[test]
    fn names_are_denied_with_what_is_below_them() {
        let reach = Reach::default();
        for denied in
            ["metadata.google.internal", "Metadata.Google.Internal.", "metadata", "x.metadata"]
        {
            assert!(!reach.permits_name(denied), "{denied}");
        }
        for allowed in ["api.openai.com", "metadata.example", "mymetadata", "localhost"] {
            assert!(reach.permits_name(allowed), "{allowed}");
        }
    }

    #[test]
    fn private_networks_can_be_closed() {
        let reach = Reach { private_networks: false, ..Reach::default() };
        for denied in [
            "127.0.0.1",
            "::1",
            "::",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.0.1",
            "100.64.0.1",
            "fd12::1",
            "::ffff:10.0.0.1",
            "224.0.0.1",
            "255.255.255.255",
        ] {
            assert!(!permits(&reach, denied), "{denied}");
        }
        for allowed in ["8.8.8.8", "100.128.0.1", "2001:4860:4860::8888", "172.32.0.1"] {
            assert!(permits(&reach, allowed), "{allowed}");
        }
    }

    #[test]
    fn networks_and_addresses_are_told_from_names() {
        assert_eq!(net(" 10.0.0.0/8 ").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(net("::1").unwrap().to_string(), "::1/128");
        assert!(net("10.0.0.0/33").unwrap_err().contains("10.0.0.0/33"));
        let section = |denied: &str| Section { deny: vec![denied.into()], private_networks: true };
        assert!(Reach::try_from(section("169.254.0.0/166")).is_err(), "it would deny nothing");
        assert!(!Reach::try_from(section("Bad.Example")).unwrap().permits_name("bad.example"));
    }
}
