//! What proxies write about a client, and where a provider may be.

#![no_main]

use std::net::IpAddr;

use api::{ProxyHeader, TrustedProxies};
use http::{HeaderMap, HeaderName, HeaderValue};
use kijun_fuzz::choice;
use libfuzzer_sys::fuzz_target;
use providers::Reach;

fuzz_target!(|data: &[u8]| {
    let (chosen, text) = choice(data);
    let (header, name) = match chosen & 1 {
        0 => (ProxyHeader::XForwardedFor, "x-forwarded-for"),
        _ => (ProxyHeader::Forwarded, "forwarded"),
    };
    let mut headers = HeaderMap::new();
    for line in text.split(|byte| *byte == b'\n') {
        let Ok(value) = HeaderValue::from_bytes(line) else { continue };
        headers.append(HeaderName::from_static(name), value);
    }
    let nets = vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
    let proxies = TrustedProxies::new(nets, header);
    let [proxy, stranger]: [IpAddr; 2] = ["10.0.0.1", "192.0.2.1"].map(|ip| ip.parse().unwrap());
    assert_eq!(proxies.client(stranger, &headers).0, stranger, "nobody vouches for it");
    let client = proxies.client(proxy, &headers).0;
    assert_eq!(client, client.to_canonical());
    if let Ok(text) = std::str::from_utf8(text) {
        let reach = Reach::default();
        let _ = reach.permits_name(text);
        if let Ok(address) = text.trim().parse::<IpAddr>() {
            assert!(reach.permits(address) <= reach.permits(address.to_canonical()));
        }
    }
});
