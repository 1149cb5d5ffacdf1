//! A WebSocket client that does as little as can be (RFC 6455): texts out, everything in.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Sends these messages as turns of one connection, each after the one before has ended; returns
/// all that came, frames and all.
pub(crate) fn turns(address: SocketAddr, key: &str, messages: &[Value]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let head = format!(
        "GET /v1/responses HTTP/1.1\r\nhost: kijun\r\nauthorization: Bearer {key}\r\nconnection: \
         upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: \
         AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut said = Vec::new();
    read_until(&mut stream, &mut said, "\r\n\r\n", 1);
    assert!(said.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&said));
    for (turn, message) in messages.iter().enumerate() {
        stream.write_all(&text_frame(message.to_string().as_bytes())).unwrap();
        read_until(&mut stream, &mut said, "\"type\":\"response.completed\"", turn + 1);
    }
    String::from_utf8_lossy(&said).into_owned()
}

/// A text in one frame, under a mask of zeros: it must have one, and which is the client's choice.
fn text_frame(text: &[u8]) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("it is a short text");
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text);
    frame
}

fn read_until(stream: &mut TcpStream, said: &mut Vec<u8>, wanted: &str, times: usize) {
    let mut piece = [0; 4096];
    while String::from_utf8_lossy(said).matches(wanted).count() < times {
        let count = stream.read(&mut piece).unwrap();
        assert!(count > 0, "it was closed: {}", String::from_utf8_lossy(said));
        said.extend_from_slice(&piece[..count]);
    }
}
