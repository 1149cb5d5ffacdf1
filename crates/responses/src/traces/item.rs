//! One item of an export: a trace, or a span of one.

use kernel::Timestamp;
use serde_json::{Map, Value, json};
use store::{SpanRow, TraceRow};
use wire::error::ErrorBody;

use super::moment;
use crate::conversations::sent;

/// Bytes of an id.
const LONGEST_ID: usize = 256;
/// Bytes of a span's kind.
const LONGEST_KIND: usize = 64;
/// Bytes of an item. Of a longer one only ids, times and kinds are kept, so that it does not cost
/// the client the others that came with it.
const LARGEST: usize = 1024 * 1024;

/// How much of an item is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Detail {
    /// All of it.
    Whole,
    /// Ids, times and kinds.
    Bare,
}

/// What an item is.
#[derive(Debug)]
pub(super) enum Item {
    Trace(TraceRow),
    Span(SpanRow),
}

/// Reads an item that stands at `path`.
pub(super) fn read(
    item: Value,
    path: &str,
    detail: Detail,
    now: Timestamp,
) -> Result<Item, ErrorBody> {
    let Value::Object(members) = item else {
        return Err(sent::wrong_type(path, "an object", &item));
    };
    let sent = Sent { members, path };
    let object = sent.text("object", LONGEST_KIND)?.ok_or_else(|| sent.missing("object"))?;
    match object.as_str() {
        "trace" => sent.trace(detail, now).map(Item::Trace),
        "trace.span" => sent.span(detail).map(Item::Span),
        _ => {
            let at = sent.at("object");
            let message = format!(
                "Invalid value for '{at}'. Supported values are: 'trace' and 'trace.span'."
            );
            Err(ErrorBody::invalid_request(message).at(at).coded("invalid_value"))
        }
    }
}

/// An item as it came in.
struct Sent<'a> {
    members: Map<String, Value>,
    path: &'a str,
}

impl Sent<'_> {
    fn trace(self, detail: Detail, now: Timestamp) -> Result<TraceRow, ErrorBody> {
        let id = self.id("id")?.ok_or_else(|| self.missing("id"))?;
        let workflow = self.text("workflow_name", LARGEST)?.unwrap_or_default();
        let group = self.text("group_id", LARGEST)?;
        let metadata = self.object("metadata")?;
        let bare = json!({"object": "trace", "id": id});
        let (body, whole) = self.kept(bare, detail);
        Ok(TraceRow {
            id,
            created_at: now,
            workflow: if whole { workflow } else { String::new() },
            group: group.filter(|_| whole),
            metadata: Value::Object(metadata.filter(|_| whole).unwrap_or_default()).to_string(),
            body,
        })
    }

    fn span(self, detail: Detail) -> Result<SpanRow, ErrorBody> {
        let id = self.id("id")?.ok_or_else(|| self.missing("id"))?;
        let trace = self.id("trace_id")?.ok_or_else(|| self.missing("trace_id"))?;
        let parent = self.id("parent_id")?;
        let (started_at, ended_at) = (self.moment("started_at")?, self.moment("ended_at")?);
        let data = self.object("span_data")?.ok_or_else(|| self.missing("span_data"))?;
        let data = Sent { members: data, path: &self.at("span_data") };
        let kind = data.text("type", LONGEST_KIND)?.ok_or_else(|| data.missing("type"))?;
        let response = match kind.as_str() {
            "response" => data.id("response_id")?,
            _ => None,
        };
        let mut bare_data = json!({"type": kind});
        if let (Some(response), Some(bare)) = (&response, bare_data.as_object_mut()) {
            bare.insert("response_id".to_owned(), json!(response));
        }
        let said = |name: &str| self.members.get(name).cloned().unwrap_or_default();
        let bare = json!({
            "object": "trace.span", "id": id, "trace_id": trace, "parent_id": parent,
            "started_at": said("started_at"), "ended_at": said("ended_at"),
            "span_data": bare_data,
        });
        let (body, _) = self.kept(bare, detail);
        let response = response.map(Into::into);
        Ok(SpanRow { id, trace, parent, started_at, ended_at, kind, response, call: None, body })
    }

    /// What is kept, and whether that is the whole.
    fn kept(self, mut bare: Value, detail: Detail) -> (Vec<u8>, bool) {
        if detail == Detail::Whole {
            let whole = Value::Object(self.members).to_string().into_bytes();
            if whole.len() <= LARGEST {
                return (whole, true);
            }
            if let Some(bare) = bare.as_object_mut() {
                bare.insert("truncated".to_owned(), json!(true));
            }
        }
        (bare.to_string().into_bytes(), false)
    }

    fn at(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    fn missing(&self, name: &str) -> ErrorBody {
        sent::missing(&self.at(name))
    }

    /// A member that is there and not null.
    fn said(&self, name: &str) -> Option<&Value> {
        self.members.get(name).filter(|said| !said.is_null())
    }

    fn text(&self, name: &str, longest: usize) -> Result<Option<String>, ErrorBody> {
        match self.said(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.len() <= longest => Ok(Some(text.clone())),
            Some(Value::String(_)) => {
                let at = self.at(name);
                let message = format!("Invalid '{at}': expected at most {longest} bytes.");
                Err(ErrorBody::invalid_request(message).at(at).coded("string_above_max_length"))
            }
            Some(other) => Err(sent::wrong_type(&self.at(name), "a string", other)),
        }
    }

    fn id(&self, name: &str) -> Result<Option<String>, ErrorBody> {
        let id = self.text(name, LONGEST_ID)?;
        if id.as_deref().is_some_and(|id| id.is_empty() || id.contains(char::is_control)) {
            let at = self.at(name);
            let message =
                format!("Invalid '{at}': expected some characters, none of them a control one.");
            return Err(ErrorBody::invalid_request(message).at(at).coded("invalid_value"));
        }
        Ok(id)
    }

    fn object(&self, name: &str) -> Result<Option<Map<String, Value>>, ErrorBody> {
        match self.said(name) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(members.clone())),
            Some(other) => Err(sent::wrong_type(&self.at(name), "an object", other)),
        }
    }

    fn moment(&self, name: &str) -> Result<Option<Timestamp>, ErrorBody> {
        let Some(text) = self.text(name, LONGEST_KIND)? else { return Ok(None) };
        moment::read(&text).map(Some).ok_or_else(|| {
            let at = self.at(name);
            let message =
                format!("Invalid '{at}': expected a time such as 2026-01-31T09:15:00.123456Z.");
            ErrorBody::invalid_request(message).at(at).coded("invalid_value")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn span(more: &Value) -> Value {
        let mut span = json!({
            "object": "trace.span", "id": "span_1", "trace_id": "trace_1", "parent_id": null,
            "started_at": "2026-01-31T09:15:00.123456+00:00", "ended_at": null,
            "span_data": {"type": "function", "name": "secret", "input": "secret"}, "error": null,
        });
        let members = span.as_object_mut().unwrap();
        members.extend(more.as_object().unwrap().clone());
        span
    }

    fn read_span(item: Value, detail: Detail) -> SpanRow {
        match read(item, "data[0]", detail, NOW).unwrap() {
            Item::Span(span) => span,
            Item::Trace(_) => panic!("a span"),
        }
    }

    #[test]
    fn a_span_is_kept_as_it_came() {
        let sent = span(&json!({"metadata": {"a": 1}}));
        let row = read_span(sent.clone(), Detail::Whole);
        assert_eq!(serde_json::from_slice::<Value>(&row.body).unwrap(), sent);
        assert_eq!((row.kind.as_str(), row.parent, row.response), ("function", None, None));
        assert_eq!(row.started_at.unwrap().as_micros() % 1_000_000, 123_456);
    }

    #[test]
    fn a_response_span_names_its_response() {
        let data = json!({"type": "response", "response_id": "resp_1", "usage": {"a": 1}});
        let row = read_span(span(&json!({"span_data": data})), Detail::Bare);
        assert_eq!(row.response, Some("resp_1".into()));
        let kept: Value = serde_json::from_slice(&row.body).unwrap();
        assert_eq!(kept["span_data"], json!({"type": "response", "response_id": "resp_1"}));
    }

    #[test]
    fn a_bare_item_has_no_content() {
        let row = read_span(span(&json!({"error": {"message": "secret"}})), Detail::Bare);
        assert!(!String::from_utf8_lossy(&row.body).contains("secret"));
        let trace = json!({
            "object": "trace", "id": "trace_1", "workflow_name": "secret", "group_id": "secret",
            "metadata": {"k": "secret"},
        });
        let Item::Trace(row) = read(trace, "data[0]", Detail::Bare, NOW).unwrap() else {
            panic!("a trace")
        };
        assert_eq!((row.workflow.as_str(), row.group, row.metadata.as_str()), ("", None, "{}"));
        assert!(!String::from_utf8_lossy(&row.body).contains("secret"));
    }

    #[test]
    fn a_very_long_span_is_kept_bare_and_says_so() {
        let data = json!({"type": "generation", "output": "x".repeat(LARGEST)});
        let row = read_span(span(&json!({"span_data": data})), Detail::Whole);
        let kept: Value = serde_json::from_slice(&row.body).unwrap();
        assert_eq!(kept["truncated"], true);
        assert_eq!(kept["span_data"], json!({"type": "generation"}));
        assert_eq!(row.trace, "trace_1");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (item, param) in [
            (json!(5), "data[3]"),
            (json!({}), "data[3].object"),
            (json!({"object": "trace.event"}), "data[3].object"),
            (json!({"object": "trace"}), "data[3].id"),
            (json!({"object": "trace", "id": ""}), "data[3].id"),
            (json!({"object": "trace", "id": "a\u{0}"}), "data[3].id"),
            (json!({"object": "trace", "id": "a", "metadata": []}), "data[3].metadata"),
            (span(&json!({"trace_id": null})), "data[3].trace_id"),
            (span(&json!({"started_at": "yesterday"})), "data[3].started_at"),
            (span(&json!({"span_data": null})), "data[3].span_data"),
            (span(&json!({"span_data": {}})), "data[3].span_data.type"),
        ] {
            let error = read(item.clone(), "data[3]", Detail::Whole, NOW).unwrap_err();
            assert_eq!(error.param.as_deref(), Some(param), "{item}");
        }
    }
}
