//! Reads request bodies: bounded in bytes and time, and decompressed within the same bound.

use std::io::Read;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use gateway::room::{NoRoom, Room, Rooms};
use http::{HeaderMap, header};
use http_body_util::BodyExt as _;

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
    let Some(encoding) = headers.get(header::CONTENT_ENCODING) else { return Ok(raw) };
    let encoding = encoding.to_str().unwrap_or_default().to_owned();
    let Held { bytes, mut room } = raw;
    let packed = bytes.len();
    let bytes = decompress(encoding, bytes, limit).await?;
    room.join(rooms.take(bytes.len().saturating_sub(packed)).await?);
    Ok(Held { bytes, room })
}

/// Decompresses a small body at once and a large one beside the workers, whose other calls would
/// wait for it.
async fn decompress(encoding: String, raw: Bytes, limit: usize) -> Result<Bytes, BodyError> {
    match decode(&encoding, raw.clone(), limit.min(AT_ONCE)) {
        // It is larger than what is done at once; how large it is shows there.
        Err(BodyError::TooLarge { .. }) if limit > AT_ONCE => {
            let elsewhere = tokio::task::spawn_blocking(move || decode(&encoding, raw, limit));
            elsewhere.await.unwrap_or(Err(BodyError::Broken))
        }
        done => done,
    }
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

fn decode(encoding: &str, raw: Bytes, limit: usize) -> Result<Bytes, BodyError> {
    let encoding = encoding.trim().to_ascii_lowercase();
    match encoding.as_str() {
        "" | "identity" => Ok(raw),
        "gzip" | "x-gzip" => drain(flate2::read::MultiGzDecoder::new(&*raw), "gzip", limit),
        "deflate" => drain(flate2::read::ZlibDecoder::new(&*raw), "deflate", limit),
        "br" => drain(brotli_decompressor::Decompressor::new(&*raw, 4096), "br", limit),
        "zstd" => {
            let not_encoded = |_| BodyError::NotEncoded { encoding: "zstd" };
            let decoder = ruzstd::decoding::StreamingDecoder::new(&*raw).map_err(not_encoded)?;
            drain(decoder, "zstd", limit)
        }
        _ => Err(BodyError::UnknownEncoding { encoding: encoding.chars().take(50).collect() }),
    }
}

/// Decompresses, but never more than the bound: a small body that grows without end is refused.
fn drain(decoder: impl Read, encoding: &'static str, limit: usize) -> Result<Bytes, BodyError> {
    let mut out = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    decoder.take(most).read_to_end(&mut out).map_err(|_| BodyError::NotEncoded { encoding })?;
    if out.len() > limit { Err(BodyError::TooLarge { limit }) } else { Ok(out.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use std::io::Write as _;

    fn gzip(data: &[u8]) -> Bytes {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap().into()
    }

    #[test]
    fn a_compressed_body_is_read() {
        assert_eq!(decode("gzip", gzip(b"{}"), 10).unwrap(), "{}");
        assert_eq!(decode("identity", "{}".into(), 10).unwrap(), "{}");
    }

    #[tokio::test]
    async fn only_a_small_body_is_decompressed_at_once() {
        let small = decompress("gzip".into(), gzip(b"{}"), AT_ONCE * 2);
        assert!(small.now_or_never().is_some());
        let data = vec![b'x'; AT_ONCE + 2];
        let large = || decompress("gzip".into(), gzip(&data), data.len());
        assert!(large().now_or_never().is_none(), "another thread does it");
        assert_eq!(large().await.unwrap(), data);
        let refused = decompress("gzip".into(), gzip(&data), AT_ONCE + 1).await.unwrap_err();
        assert!(matches!(refused, BodyError::TooLarge { limit } if limit == AT_ONCE + 1));
    }

    #[test]
    fn a_bomb_is_refused_at_the_bound() {
        let bomb = gzip(&vec![0; 10_000_000]);
        assert!(bomb.len() < 20_000);
        assert!(matches!(decode("gzip", bomb, 1_000), Err(BodyError::TooLarge { limit: 1_000 })));
    }

    #[test]
    fn what_is_not_compressed_says_so() {
        for encoding in ["gzip", "deflate", "br", "zstd"] {
            let error = decode(encoding, "plain text, at some length".into(), 1_000).unwrap_err();
            assert_eq!(error.status(), 400, "{encoding}");
        }
        assert_eq!(decode("lzma", "x".into(), 10).unwrap_err().status(), 415);
    }
}
