//! A form reads the same however it arrives, and what is in it comes out whole.

#![no_main]

use std::convert::Infallible;
use std::time::Duration;

use api::multipart::{Field, Multipart};
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use kijun_fuzz::choice;
use libfuzzer_sys::fuzz_target;

fn read(form: &[u8], size: usize) -> Vec<(Field, Vec<u8>)> {
    let mut headers = HeaderMap::new();
    let kind = HeaderValue::from_static("multipart/form-data; boundary=x");
    headers.insert(header::CONTENT_TYPE, kind);
    let pieces: Vec<_> = form
        .chunks(size.max(1))
        .map(|piece| Ok::<_, Infallible>(Bytes::copy_from_slice(piece)))
        .collect();
    let body = Body::from_stream(futures_util::stream::iter(pieces));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let mut fields = Vec::new();
        let Ok(mut form) = Multipart::new(&headers, body, Duration::from_secs(60)) else {
            return fields;
        };
        while let Ok(Some(field)) = form.next_field().await {
            let mut content = Vec::new();
            while let Ok(Some(chunk)) = form.chunk().await {
                content.extend_from_slice(&chunk);
            }
            fields.push((field, content));
        }
        fields
    })
}

fuzz_target!(|data: &[u8]| {
    let (size, form) = choice(data);
    let whole = read(form, usize::MAX);
    assert!(whole.iter().all(|(field, _)| !field.name.contains('\0')));
    assert_eq!(read(form, size), whole);
});
