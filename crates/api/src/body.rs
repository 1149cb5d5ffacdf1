//! Reads request bodies: bounded in bytes and time, and decompressed within the same bound.

use std::io::{self, Read, Write};
use std::num::NonZero;
use std::sync::LazyLock;
use std::thread::available_parallelism;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use gateway::room::{NoRoom, Room, Rooms};
use http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use tokio::sync::Semaphore;

use crate::App;

/// Bodies of so many bytes, decompressed, hold nobody up.
const AT_ONCE: usize = 256 * 1024;

/// The room that a body without a length is given at a time, at least.
const LEAST_ROOM: usize = 64 * 1024;

/// What `Content-Encoding` may say.
const KNOWN_ENCODINGS: [&str; 7] = ["", "identity", "gzip", "x-gzip", "deflate", "br", "zstd"];

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// More bytes than allowed, as sent or when decompressed.
    #[error(
        "the request body is larger than {limit} bytes; send less, or raise server.max_body_bytes"
    )]
    TooLarge {
        /// How many are allowed.
        limit: usize,
    },
    /// The client was too slow.
    #[error("the request body did not arrive within {secs} seconds; send it again")]
    TooSlow {
        /// How long it had.
        secs: u64,
    },
    /// Other bodies leave no room for it.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// The client broke off, or its framing is wrong.
    #[error("the request body could not be read to its end; send it again")]
    Broken,
    /// It does not decompress.
    #[error("the request body is no valid `{encoding}`; check Content-Encoding")]
    NotEncoded {
        /// What `Content-Encoding` said.
        encoding: &'static str,
    },
    /// A form with a `Content-Encoding`.
    #[error("Content-Encoding `{encoding}` is not supported for forms; send the form as it is")]
    EncodedForm {
        /// What `Content-Encoding` said.
        encoding: String,
    },
    /// A `Content-Encoding` we do not read.
    #[error("Content-Encoding `{encoding}` is not supported; use gzip, deflate, br, zstd or none")]
    UnknownEncoding {
        /// What `Content-Encoding` said.
        encoding: String,
    },
}

impl BodyError {
    /// The HTTP status that says so.
    pub const fn status(&self) -> u16 {
        match self {
            Self::TooLarge { .. } => 413,
            Self::TooSlow { .. } => 408,
            Self::NoRoom(_) => 503,
            Self::Broken | Self::NotEncoded { .. } => 400,
            Self::EncodedForm { .. } | Self::UnknownEncoding { .. } => 415,
        }
    }
}

/// A body, and the room that it takes as long as it is held.
pub struct Held {
    /// The body.
    pub bytes: Bytes,
    /// Its room.
    pub room: Room,
}

/// Reads a whole body that is not kept for long.
///
/// # Errors
/// [`BodyError`]
pub async fn read(app: &App, headers: &HeaderMap, body: Body) -> Result<Bytes, BodyError> {
    Ok(read_held(app, headers, body).await?.bytes)
}

/// Reads a whole body that is held while it is answered.
///
/// # Errors
/// [`BodyError`]
pub async fn read_held(app: &App, headers: &HeaderMap, body: Body) -> Result<Held, BodyError> {
    let (limit, rooms) = (app.max_body_bytes, app.gateway.rooms());
    let announced = refuse_by_head(headers, limit)?;
    let too_slow = BodyError::TooSlow { secs: app.body_timeout.as_secs() };
    let raw = tokio::time::timeout(app.body_timeout, gather(body, announced, limit, rooms))
        .await
        .map_err(|_| too_slow)??;
    match headers.get(header::CONTENT_ENCODING).and_then(|encoding| encoding.to_str().ok()) {
        Some(encoding) => unpack(encoding, raw, limit, rooms).await,
        None => Ok(raw),
    }
}

/// Decompresses a small body at once, and a large one beside the workers, whose other calls would
/// wait for it. That one is measured first: it takes no memory before there is room for it.
async fn unpack(
    encoding: &str,
    packed: Held,
    limit: usize,
    rooms: &Rooms,
) -> Result<Held, BodyError> {
    let encoding = encoding.trim().to_ascii_lowercase();
    if matches!(encoding.as_str(), "" | "identity") {
        return Ok(packed);
    }
    let Held { bytes: raw, mut room } = packed;
    let at_once = decode(&encoding, &raw, limit.min(AT_ONCE), 0);
    let bytes = match at_once {
        Err(BodyError::TooLarge { .. }) if limit > AT_ONCE => {
            let (name, body) = (encoding.clone(), raw.clone());
            let size = elsewhere(move || measure(&name, &body, limit)).await?;
            room.join(rooms.take(size.saturating_sub(raw.len())).await?);
            return Ok(Held {
                bytes: elsewhere(move || decode(&encoding, &raw, limit, size)).await?,
                room,
            });
        }
        done => done?,
    };
    room.join(rooms.take(bytes.len().saturating_sub(raw.len())).await?);
    Ok(Held { bytes, room })
}

/// As many bodies are decompressed at once as there are cores: each has a window of megabytes.
async fn elsewhere<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BodyError> + Send + 'static,
) -> Result<T, BodyError> {
    static TURNS: LazyLock<Semaphore> =
        LazyLock::new(|| Semaphore::new(available_parallelism().map_or(2, NonZero::get)));
    let Ok(_turn) = TURNS.acquire().await else { return Err(BodyError::Broken) };
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(BodyError::Broken))
}

/// What the head alone shows need not be sent at all; else the length that it announces.
fn refuse_by_head(headers: &HeaderMap, limit: usize) -> Result<usize, BodyError> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let length: Option<u64> = length.and_then(|length| length.parse().ok());
    if length.is_some_and(|length| length > limit as u64) {
        return Err(BodyError::TooLarge { limit });
    }
    let encoding =
        headers.get(header::CONTENT_ENCODING).map_or("", |text| text.to_str().unwrap_or("?"));
    let encoding = encoding.trim().to_ascii_lowercase();
    if !KNOWN_ENCODINGS.contains(&encoding.as_str()) {
        let encoding = encoding.chars().take(50).collect();
        return Err(BodyError::UnknownEncoding { encoding });
    }
    Ok(length.and_then(|length| usize::try_from(length).ok()).unwrap_or_default())
}

async fn gather(
    mut body: Body,
    announced: usize,
    limit: usize,
    rooms: &Rooms,
) -> Result<Held, BodyError> {
    let mut room = rooms.take(announced).await?;
    let mut has_room = announced;
    let mut first: Option<Bytes> = None;
    let mut joined = BytesMut::new();
    let mut size = 0usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        size += data.len();
        if size > limit {
            return Err(BodyError::TooLarge { limit });
        }
        if size > has_room {
            // Its length was not announced: room for as much again.
            let more = size.max(LEAST_ROOM);
            room.join(rooms.take(more).await?);
            has_room += more;
        }
        // Most bodies are one piece and need no copy.
        match first.take() {
            None if joined.is_empty() => first = Some(data),
            earlier => {
                joined.extend_from_slice(&earlier.unwrap_or_default());
                joined.extend_from_slice(&data);
            }
        }
    }
    Ok(Held { bytes: first.unwrap_or_else(|| joined.freeze()), room })
}

/// Decompresses; `size` is how much room is made at the beginning.
fn decode(encoding: &str, raw: &[u8], limit: usize, size: usize) -> Result<Bytes, BodyError> {
    let mut out = Vec::with_capacity(size);
    unpacked(encoding, raw, limit, &mut out)?;
    Ok(out.into())
}

/// How large it is when it is decompressed.
fn measure(encoding: &str, raw: &[u8], limit: usize) -> Result<usize, BodyError> {
    unpacked(encoding, raw, limit, &mut io::sink())
}

/// Decompresses into `out`, but never more than the bound: a small body that grows without end is
/// refused.
fn unpacked(
    encoding: &str,
    raw: &[u8],
    limit: usize,
    out: &mut impl Write,
) -> Result<usize, BodyError> {
    match encoding {
        "gzip" | "x-gzip" => drain(flate2::read::MultiGzDecoder::new(raw), "gzip", limit, out),
        "deflate" => drain(flate2::read::ZlibDecoder::new(raw), "deflate", limit, out),
        "br" => drain(brotli_decompressor::Decompressor::new(raw, 4096), "br", limit, out),
        "zstd" => {
            let not_encoded = |_| BodyError::NotEncoded { encoding: "zstd" };
            let decoder = ruzstd::decoding::StreamingDecoder::new(raw).map_err(not_encoded)?;
            drain(decoder, "zstd", limit, out)
        }
        _ => Err(BodyError::UnknownEncoding { encoding: encoding.chars().take(50).collect() }),
    }
}

fn drain(
    decoder: impl Read,
    encoding: &'static str,
    limit: usize,
    out: &mut impl Write,
) -> Result<usize, BodyError> {
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let size = io::copy(&mut decoder.take(most), out);
    let size = size.map_err(|_| BodyError::NotEncoded { encoding })?;
    usize::try_from(size).ok().filter(|size| *size <= limit).ok_or(BodyError::TooLarge { limit })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use std::time::Duration;

    fn gzip(data: &[u8]) -> Bytes {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap().into()
    }

    fn held(rooms: &Rooms, bytes: Bytes) -> Held {
        Held { room: rooms.take(bytes.len()).now_or_never().unwrap().unwrap(), bytes }
    }

    #[test]
    fn a_compressed_body_is_read() {
        assert_eq!(decode("gzip", &gzip(b"{}"), 10, 0).unwrap(), "{}");
        assert_eq!(measure("gzip", &gzip(b"{}"), 10).unwrap(), 2);
    }

    #[tokio::test]
    async fn only_a_small_body_is_decompressed_at_once() {
        let rooms = Rooms::new(AT_ONCE * 4, Duration::ZERO);
        let plain =
            unpack("identity", held(&rooms, "{}".into()), 10, &rooms).now_or_never().unwrap();
        assert_eq!(plain.unwrap().bytes, "{}");
        let small = unpack(" GZIP ", held(&rooms, gzip(b"{}")), AT_ONCE * 2, &rooms);
        assert_eq!(small.now_or_never().unwrap().unwrap().bytes, "{}");
        let data = vec![b'x'; AT_ONCE + 2];
        let large = |limit| unpack("gzip", held(&rooms, gzip(&data)), limit, &rooms);
        assert!(large(data.len()).now_or_never().is_none(), "another thread does it");
        let whole = large(data.len()).await.unwrap();
        assert_eq!(whole.bytes, data);
        assert!(rooms.taken() > AT_ONCE as u64 / 2, "it has room: {}", rooms.taken());
        let refused = large(AT_ONCE + 1).await.err().unwrap();
        assert!(matches!(refused, BodyError::TooLarge { limit } if limit == AT_ONCE + 1));
        drop(whole);
        assert_eq!(rooms.taken(), 0);
    }

    #[tokio::test]
    async fn a_body_that_grows_waits_for_room_before_it_does() {
        let data = vec![b'x'; AT_ONCE * 2];
        let rooms = Rooms::new(AT_ONCE, Duration::ZERO);
        let other = rooms.take(AT_ONCE / 2).await.unwrap();
        let refused = unpack("gzip", held(&rooms, gzip(&data)), data.len(), &rooms).await;
        assert!(matches!(refused, Err(BodyError::NoRoom(_))));
        drop(other);
    }

    #[test]
    fn a_bomb_is_refused_at_the_bound() {
        let bomb = gzip(&vec![0; 10_000_000]);
        assert!(bomb.len() < 20_000);
        for refused in [
            decode("gzip", &bomb, 1_000, 0).map(|bytes| bytes.len()),
            measure("gzip", &bomb, 1_000),
        ] {
            assert!(matches!(refused, Err(BodyError::TooLarge { limit: 1_000 })));
        }
    }

    #[test]
    fn what_is_not_compressed_says_so() {
        for encoding in ["gzip", "deflate", "br", "zstd"] {
            let error = measure(encoding, b"plain text, at some length", 1_000).unwrap_err();
            assert_eq!(error.status(), 400, "{encoding}");
        }
        assert_eq!(measure("lzma", b"x", 10).unwrap_err().status(), 415);
    }
}
