//! Where no provider may be: nothing is connected to there, whatever its name says.

use std::net::IpAddr;
use std::sync::Arc;

use kernel::catalog::FailureClass;
use kernel::{SystemClock, SystemRng};
use providers::{Provider, Rack, Reach, Transport, TransportConfig};
use tokio::net::TcpListener;

use crate::upstream::{chat, spec, whole};

/// A reach without these places.
fn without(denied: &[&str]) -> Reach {
    let text = format!("deny = {denied:?}\nprivate_networks = true\n");
    toml::from_str(&text).unwrap()
}

fn provider(reach: Reach, url: String) -> Arc<dyn Provider> {
    let transport = Transport::new(TransportConfig { reach, ..TransportConfig::default() });
    let rack = Rack::new(transport, Arc::new(SystemClock), Arc::new(SystemRng));
    rack.build(&spec("openai", url)).unwrap()
}

#[tokio::test]
async fn a_name_that_leads_out_of_reach_is_not_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // Each of these is another way to write 127.0.0.1, or leads there.
    for host in ["localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1"] {
        let url = format!("http://{host}:{port}/v1");
        let provider = provider(without(&["127.0.0.0/8", "::1"]), url);
        let failure = whole(&*provider, chat(false)).await.err().unwrap();
        assert_eq!(failure.class, FailureClass::Connection, "{host}");
        let said = failure.message;
        assert!(said.contains("may not connect") || said.contains("resolved"), "{host}: {said}");
        assert!(!said.contains("127.0.0.1"), "{said}");
    }
    let nobody = async { std::future::poll_fn(|cx| listener.poll_accept(cx)).await };
    tokio::select! {
        biased;
        _ = nobody => panic!("it was connected to"),
        () = std::future::ready(()) => {}
    }
    assert!(!without(&["127.0.0.0/8"]).permits(IpAddr::from([127, 0, 0, 1])));
}
