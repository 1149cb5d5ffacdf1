//! One line: as it comes in, and as it goes out.

use bytes::Bytes;
use http::StatusCode;
use kernel::{BatchId, RequestId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use wire::error::ErrorBody;

/// A line of the input file, read as far as it has to be.
#[derive(Deserialize)]
pub(crate) struct InputLine<'a> {
    #[serde(borrow)]
    pub(crate) custom_id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) method: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) url: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) body: Option<&'a RawValue>,
}

impl<'a> InputLine<'a> {
    /// `None` for what is no JSON object.
    pub(crate) fn read(line: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    /// What the client calls the line.
    pub(crate) fn custom_id(&self) -> Option<String> {
        text(self.custom_id)
    }
}

/// A JSON string's text.
pub(crate) fn text(raw: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(raw?.get()).ok()
}

/// A line that is to be answered.
pub(crate) struct Line {
    /// The number of its slice.
    pub(crate) slice: u32,
    /// Its number in the file, counted from 1.
    pub(crate) number: u32,
    /// What the client calls it.
    pub(crate) custom_id: String,
    /// The request.
    pub(crate) body: Bytes,
}

/// The ids of a line, which are the same whichever node asks, so that a line which was answered
/// just before its node died leaves one record in the ledger when it is answered again.
pub(crate) struct LineIds {
    /// Its batch's id: 12 digits of time and 20 random ones.
    batch: String,
    line: u32,
}

impl LineIds {
    pub(crate) fn new(batch: &BatchId, line: u32) -> Self {
        let digits = batch.as_str().strip_prefix(BatchId::PREFIX).unwrap_or_default();
        Self { batch: digits.to_owned(), line }
    }

    /// The id of the call that is the line's `attempt`th, counted from 1. Its first digits are the
    /// batch's, so calls of a batch stand together in the ledger.
    pub(crate) fn call(&self, attempt: u32) -> RequestId {
        let batch = self.batch.get(..24).unwrap_or(&self.batch);
        RequestId::from(format!("{}{batch}{:05x}{attempt:03x}", RequestId::PREFIX, self.line))
    }

    /// The id of the line in its file.
    pub(crate) fn entry(&self) -> String {
        format!("batch_req_{}{:05x}", self.batch, self.line)
    }
}

/// An answer as the provider or we gave it.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) call: RequestId,
    /// A JSON document.
    pub(crate) body: Vec<u8>,
}

#[derive(Serialize)]
struct OutputLine<'a> {
    id: String,
    custom_id: Option<&'a str>,
    response: Option<Response<'a>>,
    error: Option<LineError<'a>>,
}

#[derive(Serialize)]
struct Response<'a> {
    status_code: u16,
    request_id: &'a str,
    body: &'a RawValue,
}

#[derive(Serialize)]
struct LineError<'a> {
    code: &'a str,
    message: &'a str,
}

/// The line of an answer, without the line break at its end; and whether it failed.
pub(crate) fn answered(ids: &LineIds, custom_id: &str, answer: &Answer) -> (Vec<u8>, bool) {
    // A line break within JSON is white space, and would end the line.
    let one_line: Vec<u8> =
        answer.body.iter().copied().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect();
    let Ok(body) = serde_json::from_slice::<&RawValue>(&one_line) else {
        let error = ErrorBody {
            message: "the provider's answer is no JSON document".to_owned(),
            kind: "server_error".to_owned(),
            param: None,
            code: Some("upstream_error".to_owned()),
        };
        let (status, call) = (StatusCode::BAD_GATEWAY, answer.call.clone());
        return answered(ids, custom_id, &Answer { status, call, body: error.to_json() });
    };
    let response =
        Response { status_code: answer.status.as_u16(), request_id: answer.call.as_str(), body };
    let line = OutputLine {
        id: ids.entry(),
        custom_id: Some(custom_id),
        response: Some(response),
        error: None,
    };
    (to_json(&line), !answer.status.is_success())
}

/// The line of a request that was not made in time.
pub(crate) fn expired(ids: &LineIds, custom_id: &str) -> Vec<u8> {
    let error = LineError {
        code: "batch_expired",
        message: "This request could not be executed before the completion window expired.",
    };
    let line = OutputLine {
        id: ids.entry(),
        custom_id: Some(custom_id),
        response: None,
        error: Some(error),
    };
    to_json(&line)
}

fn to_json(line: &OutputLine<'_>) -> Vec<u8> {
    // Texts, numbers and JSON that was just read: nothing of this fails.
    serde_json::to_vec(line).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::{SystemRng, Timestamp};
    use serde_json::{Value, json};

    fn ids(line: u32) -> LineIds {
        LineIds::new(&"batch_019a0000000011112222333344445555".into(), line)
    }

    #[test]
    fn the_ids_of_a_line_are_always_the_same_and_its_own() {
        let batch = BatchId::new(Timestamp::from_secs(1_800_000_000), &SystemRng);
        let (one, same) = (LineIds::new(&batch, 7), LineIds::new(&batch, 7));
        assert_eq!(one.call(1), same.call(1));
        assert_eq!(one.entry(), same.entry());
        assert_eq!(one.call(1).as_str().len(), "req_".len() + 32);
        let other = LineIds::new(&batch, 50_000);
        assert!(one.call(1) != one.call(2) && one.call(1) != other.call(1));
        assert_ne!(one.entry(), other.entry());
    }

    #[test]
    fn an_answer_is_one_line() {
        let answer = Answer {
            status: StatusCode::OK,
            call: ids(3).call(1),
            body: b"{\n  \"id\": \"x\",\r\n  \"text\": \"a\\nb\"\n}\n".to_vec(),
        };
        let (line, failed) = answered(&ids(3), "mine", &answer);
        assert!(!failed && !line.contains(&b'\n'));
        let read: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(
            read,
            json!({
                "id": "batch_req_019a000000001111222233334444555500003",
                "custom_id": "mine",
                "response": {
                    "status_code": 200,
                    "request_id": "req_019a0000000011112222333300003001",
                    "body": {"id": "x", "text": "a\nb"},
                },
                "error": null,
            })
        );
    }

    #[test]
    fn what_failed_says_so() {
        let call = ids(1).call(1);
        let body = ErrorBody::invalid_request("no").to_json();
        let refused = Answer { status: StatusCode::BAD_REQUEST, call: call.clone(), body };
        let (line, failed) = answered(&ids(1), "a", &refused);
        let read: Value = serde_json::from_slice(&line).unwrap();
        assert!(failed);
        assert_eq!(read["response"]["body"]["error"]["message"], "no");

        let junk = Answer { status: StatusCode::OK, call, body: b"<html>".to_vec() };
        let (line, failed) = answered(&ids(1), "a", &junk);
        let read: Value = serde_json::from_slice(&line).unwrap();
        assert!(failed);
        assert_eq!(read["response"]["status_code"], 502);

        let read: Value = serde_json::from_slice(&expired(&ids(1), "a")).unwrap();
        assert_eq!(
            (&read["response"], &read["error"]["code"]),
            (&Value::Null, &json!("batch_expired"))
        );
    }
}
