//! Requests that two servers could take for different ones.
//!
//! hyper refuses most of what request smuggling lives on: differing lengths, folded headers, spaces
//! before colons, bare carriage returns, bad chunks. A request with both a length and chunks is read
//! by its chunks, and its connection ends with it. What hyper leaves to its users is here.

use http::{HeaderMap, Method, Request, Version, header};

use crate::problem::Problem;

/// Refuses a request whose head means more than one thing, or nothing that we do.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check<B>(request: &Request<B>) -> Result<(), Problem> {
    let headers = request.headers();
    if request.version() == Version::HTTP_11 || headers.contains_key(header::HOST) {
        one_host(headers)?;
    }
    only_chunked(headers)?;
    if [Method::CONNECT, Method::TRACE].contains(request.method()) {
        let message = format!("the method {} is not served here", request.method());
        return Err(Problem::new(501, INVALID, Some("unknown_method"), message));
    }
    Ok(())
}

const INVALID: &str = "invalid_request_error";

/// RFC 9112, 3.2: a request of HTTP/1.1 names exactly one host.
fn one_host(headers: &HeaderMap) -> Result<(), Problem> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let message = match (hosts.next(), hosts.next()) {
        (None, _) => "the request names no Host",
        (_, Some(_)) => "the request names more than one Host",
        (Some(host), None) if !is_authority(host.as_bytes()) => {
            "the request's Host is no host with a port"
        }
        (Some(_), None) => return Ok(()),
    };
    Err(Problem::new(400, INVALID, Some("invalid_host"), format!("{message}; send one")))
}

/// Whether these are only characters that a host with a port is made of.
fn is_authority(host: &[u8]) -> bool {
    let of_hosts = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:[]%!$&'()*+;=".contains(byte);
    host.iter().all(of_hosts)
}

/// One transfer coding, which is the one that we undo.
fn only_chunked(headers: &HeaderMap) -> Result<(), Problem> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let alone = match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    };
    if alone {
        return Ok(());
    }
    let message = "only `Transfer-Encoding: chunked` is read, once; send the body so, or with a \
                   Content-Length";
    Err(Problem::new(400, INVALID, Some("unknown_transfer_encoding"), message))
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    fn status(headers: &[(&str, &str)], version: Version) -> u16 {
        let mut request = Request::builder().version(version).uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        match check(&request.body(()).unwrap()) {
            Ok(()) => 200,
            Err(problem) => problem.into_response().status().as_u16(),
        }
    }

    #[test]
    fn one_host_is_needed() {
        let of = |headers: &[(&str, &str)]| status(headers, Version::HTTP_11);
        for right in ["kijun", "kijun:8080", "[::1]:8080", "127.0.0.1", ""] {
            assert_eq!(of(&[("host", right)]), 200, "{right}");
        }
        for wrong in ["a b", "a/b", "a@b", "a,b", "a?b", "a#b", "a\\b", "\u{e9}"] {
            assert_eq!(of(&[("host", wrong)]), 400, "{wrong}");
        }
        assert_eq!(of(&[]), 400);
        assert_eq!(of(&[("host", "a"), ("host", "a")]), 400);
        assert_eq!(status(&[], Version::HTTP_10), 200);
        assert_eq!(status(&[("host", "a"), ("host", "b")], Version::HTTP_10), 400);
    }

    #[test]
    fn one_transfer_coding_is_read() {
        let of = |codings: &[&str]| {
            let mut headers = vec![("host", "kijun")];
            headers.extend(codings.iter().map(|coding| ("transfer-encoding", *coding)));
            status(&headers, Version::HTTP_11)
        };
        assert_eq!(of(&["chunked"]), 200);
        assert_eq!(of(&["Chunked"]), 200);
        for wrong in [
            &["gzip, chunked"][..],
            &["chunked, chunked"],
            &["chunked", "chunked"],
            &["identity", "chunked"],
            &["xchunked"],
            &["chunked;q=1"],
        ] {
            assert_eq!(of(wrong), 400, "{wrong:?}");
        }
    }
}
