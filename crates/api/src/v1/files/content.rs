//! `GET /v1/files/{file_id}/content`

use std::ops::Range;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use files::Reader;
use futures_util::TryStreamExt as _;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use kernel::FileId;

use crate::App;
use crate::ids::Ids;
use crate::openapi::ErrorEnvelope;
use crate::problem::Problem;
use crate::v1::caller::Caller;

/// Download a file, or a range of it.
#[utoipa::path(
    get,
    path = "/v1/files/{file_id}/content",
    operation_id = "downloadFile",
    tag = "Files",
    params(
        ("file_id" = String, Path, description = "The file's id."),
        ("Range" = Option<String>, Header, description = "One range of bytes, such as `bytes=0-1023`.", nullable = false),
    ),
    responses(
        (status = 200, description = "The file's bytes.", body = String, content_type = "application/octet-stream"),
        (status = 206, description = "The range's bytes.", body = String, content_type = "application/octet-stream"),
        (status = "4XX", description = "What is wrong with the request, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database or the blob store does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn content(
    State(app): State<App>,
    Caller(caller): Caller,
    Ids(id): Ids<FileId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let reader = app.files.open(&caller.scope(), &id).await?;
    let size = reader.size();
    // A file never changes, so its id says which version it is.
    let tag = format!("\"{id}\"");
    match wanted(&headers, &tag, size) {
        Wanted::All => respond(&reader, &tag, 0..size, StatusCode::OK),
        Wanted::Range(range) => respond(&reader, &tag, range, StatusCode::PARTIAL_CONTENT),
        Wanted::Nothing => {
            let message = format!("the range has none of the file's {size} bytes");
            let problem = Problem::new(416, "invalid_request_error", None, message);
            let mut response = problem.into_response();
            let all = value(format!("bytes */{size}"))?;
            response.headers_mut().insert(header::CONTENT_RANGE, all);
            Ok(response)
        }
    }
}

fn respond(
    reader: &Reader,
    tag: &str,
    range: Range<u64>,
    status: StatusCode,
) -> Result<Response, Problem> {
    let id = reader.file().id.clone();
    // The head has left when this happens: the connection is cut, which tells the client.
    let broken = move |error: &files::FilesError| {
        tracing::error!(file = %id, %error, "a file could not be read to its end");
    };
    let body = Body::from_stream(reader.stream(range.clone()).inspect_err(broken));
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::ETAG, value(tag)?);
    headers.insert(header::CONTENT_DISPOSITION, value(disposition(&reader.file().filename))?);
    // A browser must not guess that it is a page.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if status == StatusCode::PARTIAL_CONTENT {
        let Range { start, end } = range;
        let text = format!("bytes {start}-{}/{}", end.saturating_sub(1), reader.size());
        headers.insert(header::CONTENT_RANGE, value(text)?);
    }
    Ok(response)
}

/// What a client wants of a file.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Range(Range<u64>),
    /// A range that begins behind the file's end.
    Nothing,
}

/// One range is understood; of several, and of what is no range, the whole file is the answer.
fn wanted(headers: &HeaderMap, tag: &str, size: u64) -> Wanted {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if text(header::IF_RANGE).is_some_and(|version| version != tag) {
        return Wanted::All;
    }
    let range = text(header::RANGE).and_then(|range| range.strip_prefix("bytes="));
    let Some((first, last)) = range.and_then(|range| range.trim().split_once('-')) else {
        return Wanted::All;
    };
    let (start, end) = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => (first, last.saturating_add(1).min(size)),
        (Ok(first), Err(_)) if last.is_empty() => (first, size),
        (Err(_), Ok(length)) if first.is_empty() => (size.saturating_sub(length), size),
        _ => return Wanted::All,
    };
    if start < end { Wanted::Range(start..end) } else { Wanted::Nothing }
}

/// The name, once for old clients without what they might stumble over, and once whole.
fn disposition(name: &str) -> String {
    let plain = |one: char| {
        if one.is_ascii_graphic() && !"\"\\%".contains(one) || one == ' ' { one } else { '_' }
    };
    let plain: String = name.chars().map(plain).collect();
    let mut whole = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' => {
                whole.push(char::from(byte));
            }
            byte => whole.push_str(&format!("%{byte:02X}")),
        }
    }
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{whole}")
}

fn value(text: impl AsRef<str>) -> Result<HeaderValue, Problem> {
    HeaderValue::from_str(text.as_ref()).map_err(|_| {
        Problem::new(500, "server_error", Some("internal_error"), "a header could not be written")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_understood() {
        let wanted_of = |range: &str, version: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, range.parse().unwrap());
            if let Some(version) = version {
                headers.insert(header::IF_RANGE, version.parse().unwrap());
            }
            wanted(&headers, "\"tag\"", 100)
        };
        for (range, expected) in [
            ("bytes=0-0", Wanted::Range(0..1)),
            ("bytes=5-9", Wanted::Range(5..10)),
            ("bytes=90-", Wanted::Range(90..100)),
            ("bytes=90-200", Wanted::Range(90..100)),
            ("bytes=-10", Wanted::Range(90..100)),
            ("bytes=-200", Wanted::Range(0..100)),
            ("bytes=100-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=9-5", Wanted::All),
            ("bytes=0-1,5-6", Wanted::All),
            ("lines=0-1", Wanted::All),
            ("bytes=-", Wanted::All),
            ("bytes=0-18446744073709551615", Wanted::Range(0..100)),
        ] {
            assert_eq!(wanted_of(range, None), expected, "{range}");
        }
        assert_eq!(wanted_of("bytes=5-9", Some("\"tag\"")), Wanted::Range(5..10));
        assert_eq!(wanted_of("bytes=5-9", Some("\"other\"")), Wanted::All);
        assert_eq!(wanted(&HeaderMap::new(), "\"tag\"", 100), Wanted::All);
    }

    #[test]
    fn no_name_breaks_out_of_its_header() {
        let text = disposition("é \"x\"\r\nSet-Cookie: a;.txt");
        assert_eq!(
            text,
            "attachment; filename=\"_ _x___Set-Cookie: a;.txt\"; \
             filename*=UTF-8''%C3%A9%20%22x%22%0D%0ASet-Cookie%3A%20a%3B.txt"
        );
        assert!(value(text).is_ok());
    }
}
