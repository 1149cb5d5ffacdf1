//! What the bench and the soak are both made of: processes watched through `/proc`, as much HTTP as
//! they need, the figures of many figures.

pub(crate) mod http;
pub(crate) mod machine;
pub(crate) mod process;
pub(crate) mod statistics;

use std::net::TcpListener;

use crate::Error;

/// A port that nobody listens on now.
pub(crate) fn free_port() -> Result<u16, Error> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(Error::io("find a free port"))?;
    Ok(listener.local_addr().map_err(Error::io("find a free port"))?.port())
}
