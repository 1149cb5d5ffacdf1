//! `multipart/form-data`, read as it comes: a form with a file of any length needs the memory of
//! one piece of it.
//!
//! Everything but the fields themselves is bounded, and a client that stops sending is not waited
//! for longer than a body may take.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use memchr::memmem;
use tokio::time::timeout;

use crate::body::BodyError;
use crate::problem::Problem;

/// Bytes of a field's head at most.
const LONGEST_HEAD: usize = 8 * 1024;
/// Bytes of a boundary at most, by RFC 2046.
const LONGEST_BOUNDARY: usize = 70;
/// Bytes after the form's end that are read and ignored, so that the connection can go on.
const LONGEST_EPILOGUE: usize = 1024;

/// Why a form could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FormError {
    /// It is no form.
    #[error(
        "the body must be a form; send it as multipart/form-data with a boundary in Content-Type"
    )]
    NoForm,
    /// It does not keep to the format.
    #[error("the form cannot be read: {reason}")]
    Broken {
        /// What is wrong.
        reason: &'static str,
    },
    /// A field that should be short is not.
    #[error("`{field}` is longer than {limit} bytes")]
    FieldTooLong {
        /// Which field.
        field: String,
        /// How many bytes it may have.
        limit: usize,
    },
    /// A body that stopped coming, or is encoded.
    #[error(transparent)]
    Body(#[from] BodyError),
}

impl From<FormError> for Problem {
    fn from(error: FormError) -> Self {
        let message = error.to_string();
        match error {
            FormError::Body(error) => error.into(),
            FormError::FieldTooLong { field, .. } => Self::invalid(&field, message),
            FormError::NoForm | FormError::Broken { .. } => {
                Self::new(400, "invalid_request_error", None, message)
            }
        }
    }
}

/// The head of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// The name of the file that it is; `None`: it is no file.
    pub filename: Option<String>,
}

/// A form on its way in.
#[derive(Debug)]
pub struct Multipart {
    body: Body,
    /// How long the client may send nothing.
    patience: Duration,
    /// What stands between two fields: a line end, two dashes, the boundary.
    delimiter: Vec<u8>,
    buffer: BytesMut,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In a field, or in what may stand before the first one.
    Inside,
    /// Behind a delimiter.
    Between,
    /// Behind the last one.
    Over,
}

impl Multipart {
    /// A form, by the head of its request.
    pub fn new(headers: &HeaderMap, body: Body, patience: Duration) -> Result<Self, FormError> {
        if let Some(encoding) = headers.get(header::CONTENT_ENCODING) {
            let encoding = encoding.to_str().unwrap_or("?").chars().take(50).collect();
            if encoding != "identity" {
                return Err(BodyError::EncodedForm { encoding }.into());
            }
        }
        let delimiter = boundary(headers).ok_or(FormError::NoForm)?;
        let delimiter = format!("\r\n--{delimiter}").into_bytes();
        // The first delimiter may stand at the very beginning, without a line end before it.
        let buffer = BytesMut::from("\r\n");
        Ok(Self { body, patience, delimiter, buffer, state: State::Inside })
    }

    /// The next field; `None` after the last. What is left of the one before is passed over.
    pub async fn next_field(&mut self) -> Result<Option<Field>, FormError> {
        while self.chunk().await?.is_some() {}
        if self.state == State::Over || self.is_over().await? {
            return Ok(None);
        }
        let end = loop {
            if let Some(at) = memmem::find(&self.buffer, b"\r\n\r\n") {
                break at;
            }
            if self.buffer.len() > LONGEST_HEAD {
                return Err(broken("a field's head is too long"));
            }
            self.fill().await?;
        };
        let head = self.buffer.split_to(end + 4);
        self.state = State::Inside;
        field(&head).map(Some)
    }

    /// The next bytes of the field; `None` at its end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, FormError> {
        if self.state != State::Inside {
            return Ok(None);
        }
        loop {
            match memmem::find(&self.buffer, &self.delimiter) {
                Some(0) => {
                    let _ = self.buffer.split_to(self.delimiter.len());
                    self.state = State::Between;
                    return Ok(None);
                }
                Some(at) => return Ok(Some(self.buffer.split_to(at).freeze())),
                None => {}
            }
            // The last bytes may be a delimiter's first ones.
            let sure = self.buffer.len().saturating_sub(self.delimiter.len() - 1);
            if sure > 0 {
                return Ok(Some(self.buffer.split_to(sure).freeze()));
            }
            self.fill().await?;
        }
    }

    /// The whole of a short field.
    pub async fn text(&mut self, field: &Field, limit: usize) -> Result<String, FormError> {
        let mut text = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            text.extend_from_slice(&chunk);
            if text.len() > limit {
                let field = field.name.chars().take(100).collect();
                return Err(FormError::FieldTooLong { field, limit });
            }
        }
        String::from_utf8(text).map_err(|_| broken("a field that is no file is not UTF-8"))
    }

    /// Behind a delimiter: whether it was the last.
    async fn is_over(&mut self) -> Result<bool, FormError> {
        while self.buffer.len() < 2 {
            self.fill().await?;
        }
        if !self.buffer.starts_with(b"--") {
            return Ok(false);
        }
        self.state = State::Over;
        let mut ignored = self.buffer.len();
        self.buffer.clear();
        while ignored <= LONGEST_EPILOGUE {
            match self.frame().await? {
                Some(data) => ignored += data.len(),
                None => break,
            }
        }
        Ok(true)
    }

    async fn fill(&mut self) -> Result<(), FormError> {
        let data = self.frame().await?.ok_or(broken("it ends before its last boundary"))?;
        self.buffer.extend_from_slice(&data);
        Ok(())
    }

    async fn frame(&mut self) -> Result<Option<Bytes>, FormError> {
        loop {
            let frame = timeout(self.patience, self.body.frame()).await;
            let frame = frame.map_err(|_| BodyError::TooSlow { secs: self.patience.as_secs() })?;
            let Some(frame) = frame else { return Ok(None) };
            if let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data()
                && !data.is_empty()
            {
                return Ok(Some(data));
            }
        }
    }
}

/// The boundary that `Content-Type: multipart/form-data` names.
fn boundary(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let (kind, parameters) = text.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = Parameters(parameters).find(|(name, _)| name == "boundary")?.1;
    (1..=LONGEST_BOUNDARY).contains(&boundary.len()).then_some(boundary)
}

/// What a field's head says.
fn field(head: &[u8]) -> Result<Field, FormError> {
    let head = std::str::from_utf8(head).map_err(|_| broken("a field's head is not UTF-8"))?;
    let mut disposition = None;
    for line in head.split("\r\n").filter(|line| !line.trim().is_empty()) {
        if line.contains(['\r', '\n', '\0']) {
            return Err(broken("a line of a field's head holds a line break or a NUL"));
        }
        let (name, value) = line.split_once(':').ok_or(broken("a field's head has no colon"))?;
        let name = name.trim();
        if name.eq_ignore_ascii_case("content-disposition") {
            disposition = Some(value);
        } else if name.eq_ignore_ascii_case("content-transfer-encoding") {
            let plain = ["binary", "8bit", "7bit"];
            if !plain.iter().any(|plain| value.trim().eq_ignore_ascii_case(plain)) {
                return Err(broken("a field is encoded; send its bytes as they are"));
            }
        }
    }
    let disposition = disposition.ok_or(broken("a field has no Content-Disposition"))?;
    let (kind, parameters) = disposition.split_once(';').unwrap_or((disposition, ""));
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return Err(broken("a field is no form-data"));
    }
    let (mut name, mut filename, mut extended) = (None, None, None);
    for (parameter, value) in Parameters(parameters) {
        match parameter.as_str() {
            "name" => name = Some(unescape(&value)),
            "filename" => filename = Some(unescape(&value)),
            "filename*" => extended = decode_extended(&value),
            _ => {}
        }
    }
    let name = name.ok_or(broken("a field has no name"))?;
    Ok(Field { name, filename: extended.or(filename) })
}

/// The parameters of a header's value: `; name=token; name="quoted"`.
struct Parameters<'a>(&'a str);

impl Iterator for Parameters<'_> {
    type Item = (String, String);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = self.0.split_once('=')?;
        let name = name.trim_matches([' ', '\t', ';', '\r', '\n']).to_ascii_lowercase();
        let Some(quoted) = rest.strip_prefix('"') else {
            let (value, rest) = rest.split_once(';').unwrap_or((rest, ""));
            self.0 = rest;
            return Some((name, value.trim().to_owned()));
        };
        let mut value = String::new();
        let mut characters = quoted.char_indices();
        let mut end = quoted.len();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    end = at + 1;
                    break;
                }
                // Only these two are ever escaped: a lone backslash is part of a Windows path.
                '\\' if quoted.get(at + 1..).is_some_and(|rest| rest.starts_with(['"', '\\'])) => {
                    value.extend(characters.next().map(|(_, escaped)| escaped));
                }
                character => value.push(character),
            }
        }
        self.0 = quoted.get(end..).unwrap_or_default();
        Some((name, value))
    }
}

/// What browsers write for the three characters that a quoted name cannot hold.
fn unescape(name: &str) -> String {
    name.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n")
}

/// RFC 8187: `UTF-8''caf%C3%A9.txt`.
fn decode_extended(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_, text) = rest.split_once('\'')?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        rest = others;
        if *first == b'%' {
            let (digits, others) = others.split_at_checked(2)?;
            rest = others;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

const fn broken(reason: &'static str) -> FormError {
    FormError::Broken { reason }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;

    use super::*;

    const FORM: &str = "ignored\r\n--b0undary\r\n\
        Content-Disposition: form-data; name=\"purpose\"\r\n\r\n\
        user_data\r\n--b0undary  \r\n\
        content-disposition: form-data; name=\"file\"; filename=\"a \\\"b\\\".txt\"\r\n\
        Content-Type: text/plain\r\n\r\n\
        one\r\n--b0undar\r\n-\r\n\r\n--b0undary\r\n\
        Content-Disposition: form-data; name=empty\r\n\r\n\
        \r\n--b0undary--\r\nignored";

    fn form_of(kind: &str, pieces: Vec<Vec<u8>>) -> Result<Multipart, FormError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
        let pieces = pieces.into_iter().map(Ok::<_, Infallible>);
        Multipart::new(&headers, Body::from_stream(stream::iter(pieces)), Duration::from_secs(5))
    }

    fn form(text: &[u8], piece: usize) -> Multipart {
        let pieces = text.chunks(piece).map(<[u8]>::to_vec).collect();
        form_of("multipart/form-data; charset=utf-8; boundary=\"b0undary\"", pieces).unwrap()
    }

    async fn read(mut form: Multipart) -> Result<Vec<(Field, String)>, FormError> {
        let mut fields = Vec::new();
        while let Some(field) = form.next_field().await? {
            let text = form.text(&field, 1_000).await?;
            fields.push((field, text));
        }
        Ok(fields)
    }

    #[tokio::test]
    async fn a_form_is_read_however_it_is_cut() {
        let named = |name: &str| Field { name: name.into(), filename: None };
        let file = Field { name: "file".into(), filename: Some("a \"b\".txt".into()) };
        let expected = [
            (named("purpose"), "user_data".to_owned()),
            (file, "one\r\n--b0undar\r\n-\r\n".to_owned()),
            (named("empty"), String::new()),
        ];
        for piece in 1..FORM.len() {
            assert_eq!(read(form(FORM.as_bytes(), piece)).await.unwrap(), expected, "{piece}");
        }
        let bare = FORM.strip_prefix("ignored\r\n").unwrap().strip_suffix("\r\nignored").unwrap();
        assert_eq!(read(form(bare.as_bytes(), 7)).await.unwrap(), expected);
    }

    #[tokio::test]
    async fn a_form_that_is_cut_off_is_an_error_wherever_it_is() {
        let end = FORM.find("--\r\nignored").unwrap() + 2;
        for length in 0..end {
            assert!(read(form(&FORM.as_bytes()[..length], 100)).await.is_err(), "{length}");
        }
        assert!(read(form(&FORM.as_bytes()[..end], 100)).await.is_ok());
    }

    #[tokio::test]
    async fn fields_that_are_not_read_are_passed_over() {
        let mut form = form(FORM.as_bytes(), 9);
        let mut names = Vec::new();
        while let Some(field) = form.next_field().await.unwrap() {
            names.push(field.name);
        }
        assert_eq!(names, ["purpose", "file", "empty"]);
    }

    #[tokio::test]
    async fn nothing_but_a_field_may_be_long() {
        let long = "x".repeat(LONGEST_HEAD + 10);
        let head = format!("--b0undary\r\n{long}");
        assert!(matches!(read(form(head.as_bytes(), 100)).await, Err(FormError::Broken { .. })));
        let field = "--b0undary\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n";
        let text = format!("{field}{long}\r\n--b0undary--");
        let error = read(form(text.as_bytes(), 100)).await.unwrap_err();
        assert!(matches!(error, FormError::FieldTooLong { limit: 1_000, .. }), "{error}");
    }

    #[tokio::test]
    async fn what_is_no_form_is_refused() {
        for kind in [
            "application/json",
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/mixed; boundary=b0undary",
        ] {
            assert!(matches!(form_of(kind, Vec::new()), Err(FormError::NoForm)), "{kind}");
        }
        for head in [
            "X: y",
            "no colon",
            "Content-Disposition: attachment; name=\"a\"",
            "Content-Disposition: form-data; filename=\"a\"",
            "Content-Disposition: form-data; name=\"a\"\r\nContent-Transfer-Encoding: base64",
        ] {
            let text = format!("--b0undary\r\n{head}\r\n\r\nx\r\n--b0undary--");
            let read = read(form(text.as_bytes(), 100)).await;
            assert!(matches!(read, Err(FormError::Broken { .. })), "{head}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_stops_sending_is_not_waited_for() {
        let mut headers = HeaderMap::new();
        let kind = "multipart/form-data; boundary=b0undary";
        headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
        let never = stream::pending::<Result<Bytes, Infallible>>();
        let body = Body::from_stream(never);
        let mut form = Multipart::new(&headers, body, Duration::from_secs(5)).unwrap();
        let error = form.next_field().await.unwrap_err();
        assert!(matches!(error, FormError::Body(BodyError::TooSlow { secs: 5 })), "{error}");
    }

    #[test]
    fn names_are_read_as_every_client_writes_them() {
        for (written, name) in [
            (r#"filename="a.txt""#, "a.txt"),
            ("filename=a.txt", "a.txt"),
            (r#"filename="a%22b.txt""#, "a\"b.txt"),
            (r#"filename="C:\dir\a.txt""#, r"C:\dir\a.txt"),
            (r#"filename="x; name=y""#, "x; name=y"),
            ("filename=\"_.txt\"; filename*=UTF-8''caf%C3%A9.txt", "café.txt"),
            ("filename=\"_.txt\"; filename*=latin1''caf%E9.txt", "_.txt"),
            ("filename=\"_.txt\"; filename*=UTF-8''%E", "_.txt"),
            ("filename=\"日本.txt\"", "日本.txt"),
        ] {
            let head = format!("Content-Disposition: form-data; name=\"file\"; {written}");
            let read = field(head.as_bytes()).unwrap();
            assert_eq!((read.name.as_str(), read.filename.as_deref()), ("file", Some(name)));
        }
    }
}
