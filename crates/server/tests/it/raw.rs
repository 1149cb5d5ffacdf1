//! Bytes on a socket, as no decent client would send them.

use std::io::{ErrorKind, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Long enough for everything that should end.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Everything that comes until the other side closes.
pub(crate) fn rest(stream: &mut impl Read) -> String {
    let mut said = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => said.extend_from_slice(&piece[..read]),
            // It closed while something of ours was still on its way.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{error} after {}", String::from_utf8_lossy(&said)),
        }
    }
    String::from_utf8_lossy(&said).into_owned()
}

/// Sends bytes, and everything that comes back until the node closes.
pub(crate) fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = connect(address);
    // It may close in the middle of what it will not read.
    let _ = stream.write_all(bytes);
    rest(&mut stream)
}

/// The statuses of all responses in it.
pub(crate) fn statuses(said: &str) -> Vec<u16> {
    let heads = said.split("HTTP/1.").skip(1);
    heads.map(|head| head.split(' ').nth(1).unwrap().parse().unwrap()).collect()
}

/// One request on a connection that stays open; its status.
pub(crate) fn ask(stream: &mut TcpStream) -> std::io::Result<u16> {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: kijun\r\n\r\n")?;
    let mut said = String::new();
    let mut byte = [0];
    let end = |said: &str| {
        let (head, body) = said.split_once("\r\n\r\n")?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
        (body.len() == length.parse::<usize>().unwrap()).then_some(())
    };
    while end(&said).is_none() {
        if stream.read(&mut byte)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        said.push(char::from(byte[0]));
    }
    Ok(statuses(&said)[0])
}
