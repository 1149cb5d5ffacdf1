//! Where webhooks may lead: whoever administers an organisation chooses their addresses, but not
//! what this machine can reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Deserialize;

/// Which addresses a webhook may lead to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Addresses of the public internet.
    Public,
    /// Those, and private networks and this machine; not what speaks to nobody but this machine:
    /// link-local addresses, and the metadata services of clouds, which give out credentials.
    #[default]
    Private,
    /// All addresses.
    Any,
}

impl Reach {
    /// Whether a webhook may lead there.
    pub fn allows(self, address: IpAddr) -> bool {
        let address = plain(address);
        match self {
            Self::Any => true,
            Self::Private => !is_of_this_machine_alone(address),
            Self::Public => !is_of_this_machine_alone(address) && !is_private(address),
        }
    }
}

/// The IPv4 address that an IPv6 address stands for: mapped, translated (NAT64), tunnelled (6to4).
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address.to_canonical() else { return address.to_canonical() };
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0, 0, 0, 0, 0, 0, high, low] if high != 0 => {
            v4(high, low)
        }
        [0x2002, high, low, ..] => v4(high, low),
        _ => address,
    }
}

/// Link-local addresses, metadata services, and what is no address of one machine.
fn is_of_this_machine_alone(address: IpAddr) -> bool {
    /// Metadata services that are not link-local: Amazon's by IPv6, Alibaba's, Azure's,
    /// Oracle's.
    const METADATA: [IpAddr; 4] = [
        IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
        IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
        IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
        IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    ];
    let odd = match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast() || v4.octets()[0] == 0,
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    odd || address.is_unspecified() || address.is_multicast() || METADATA.contains(&address)
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            // 100.64/10 is shared by a carrier's customers, 198.18/15 is for benchmarks, and from
            // 240/4 on nothing is given out.
            v4.is_private()
                || v4.is_loopback()
                || v4.is_documentation()
                || a == 100 && (64..128).contains(&b)
                || a == 198 && (18..20).contains(&b)
                || a == 192 && b == 0
                || a >= 240
        }
        IpAddr::V6(v6) => {
            let [first, second, ..] = v6.segments();
            v6.is_loopback()
                || v6.is_unique_local()
                || (first, second) == (0x2001, 0xdb8)
                || first & 0xffc0 == 0xfec0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gives_out_credentials_is_out_of_reach() {
        for address in [
            "169.254.169.254",
            "169.254.170.2",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "fd00:ec2::254",
            "fe80::1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "::a9fe:a9fe",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
        ] {
            let parsed: IpAddr = address.parse().unwrap();
            assert!(!Reach::Public.allows(parsed), "{address}");
            assert!(!Reach::Private.allows(parsed), "{address}");
            assert!(Reach::Any.allows(parsed), "{address}");
        }
    }

    #[test]
    fn private_networks_are_a_choice() {
        for address in [
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "127.0.0.1",
            "100.64.0.1",
            "::1",
            "fd12::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
        ] {
            let parsed: IpAddr = address.parse().unwrap();
            assert!(!Reach::Public.allows(parsed), "{address}");
            assert!(Reach::Private.allows(parsed), "{address}");
        }
        for address in ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "100.128.0.1"] {
            assert!(Reach::Public.allows(address.parse().unwrap()), "{address}");
        }
    }
}
