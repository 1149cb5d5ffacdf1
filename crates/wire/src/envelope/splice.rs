//! Two edits of a body, byte by byte: the model's name, and the request for a stream's usage.

use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::check::{Field, kind, wrong_type};
use crate::error::ErrorBody;
use crate::span::{present, span};

/// The fields that the edits are about.
#[derive(Deserialize)]
pub(super) struct Target<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) model: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) stream: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) stream_options: Option<&'a RawValue>,
}

/// Where the edits go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Splice {
    /// Whether the body asks for a stream's usage by itself.
    pub(super) include_usage: bool,
    /// Where the model's name is, or would be.
    model: Range<usize>,
    /// What stands before and after the name when it is written there.
    around_model: [&'static str; 2],
    /// What asks for the usage, and where; `None` where the body does so already.
    usage: Option<Edit>,
}

/// What takes the place of these bytes.
type Edit = (Range<usize>, &'static str);

impl Splice {
    pub(super) fn new(
        body: &[u8],
        model: Option<&RawValue>,
        options: Option<&RawValue>,
    ) -> Result<Self, ErrorBody> {
        let start = body.iter().position(|byte| *byte == b'{').map_or(0, |brace| brace + 1);
        let rest = body.get(start..).unwrap_or_default().trim_ascii_start();
        let (model, around_model) = match model {
            Some(model) => (span(body, model), ["", ""]),
            None if rest.starts_with(b"}") => (start..start, ["\"model\":", ""]),
            None => (start..start, ["\"model\":", ","]),
        };
        let (include_usage, usage) = match options {
            // A stream is asked for by a field, so another one follows.
            None => (false, Some((start..start, r#""stream_options":{"include_usage":true},"#))),
            Some(options) => asked(body, options)?,
        };
        Ok(Self { include_usage, model, around_model, usage })
    }

    pub(super) fn apply(&self, body: &Bytes, model: &str, ask_usage: bool) -> Bytes {
        let name = Value::from(model).to_string();
        let usage = self.usage.as_ref().filter(|_| ask_usage);
        if usage.is_none() && body.get(self.model.clone()) == Some(name.as_bytes()) {
            return body.clone();
        }
        let [before, after] = self.around_model;
        let (usage_at, usage) = usage.cloned().unwrap_or_default();
        let mut edits = [(usage_at, ["", usage, ""]), (self.model.clone(), [before, &name, after])];
        edits.sort_by_key(|(at, _)| at.start);
        let [(first, begin), (second, middle)] = &edits;
        let kept = |from: usize, to: usize| body.get(from..to).unwrap_or_default();
        let [begin, middle] = [begin, middle].map(|texts| texts.map(str::as_bytes));
        // In one allocation, of just the size that it needs.
        let parts = [
            &[kept(0, first.start)][..],
            &begin,
            &[kept(first.end, second.start)],
            &middle,
            &[kept(second.end, body.len())],
        ];
        Bytes::from(parts.concat().concat())
    }
}

/// Whether these stream options ask for the usage, and the edit that makes them.
fn asked(body: &[u8], options: &RawValue) -> Result<(bool, Option<Edit>), ErrorBody> {
    #[derive(Deserialize)]
    struct Options<'a> {
        #[serde(borrow, default, deserialize_with = "present")]
        include_usage: Option<&'a RawValue>,
    }
    let at = span(body, options);
    match kind(options.get()) {
        "null" => return Ok((false, Some((at, r#"{"include_usage":true}"#)))),
        "an object" => {}
        other => return Err(wrong_type("stream_options", "an object", other)),
    }
    let parsed: Options<'_> = super::parse(options.get())?;
    let Some(value) = parsed.include_usage else {
        let start = at.start + 1;
        let empty = options.get().get(1..).is_some_and(|rest| rest.trim_start().starts_with('}'));
        let text = if empty { r#""include_usage":true"# } else { r#""include_usage":true,"# };
        return Ok((false, Some((start..start, text))));
    };
    let named = Some(value).filter(|value| value.get() != "null");
    match Field("stream_options.include_usage", named).boolean()? {
        Some(true) => Ok((true, None)),
        _ => Ok((false, Some((span(body, value), "true")))),
    }
}
