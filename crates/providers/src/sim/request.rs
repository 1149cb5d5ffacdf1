//! Reads what the client asks for, and says plainly what is wrong with it.

use std::ops::RangeInclusive;

use http::{HeaderMap, StatusCode};
use kernel::catalog::FailureClass;
use serde_json::{Map, Value, json};

use crate::Failure;
use crate::failure::Said;

/// A request that the sim cannot follow: which part of it, and how to mend it.
#[derive(Debug)]
pub(super) struct Wrong {
    param: Option<String>,
    message: String,
}

impl Wrong {
    pub(super) fn new(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), message: message.into() }
    }
}

impl From<Wrong> for Failure {
    fn from(wrong: Wrong) -> Self {
        let body = json!({"error": {
            "message": wrong.message,
            "type": "invalid_request_error",
            "param": wrong.param,
            "code": null,
        }});
        Self {
            class: FailureClass::InvalidRequest,
            // The client reads what is wrong; the operator's log must not, for it quotes content.
            message: "kijun-sim cannot follow the request".to_owned(),
            said: Some(Box::new(Said {
                status: StatusCode::BAD_REQUEST,
                headers: HeaderMap::new(),
                body: body.to_string().into(),
            })),
        }
    }
}

/// The fields of a JSON object. A field that is null counts as absent, as it does at OpenAI's.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// The fields of the request's body.
    pub(super) fn of(body: &'a Value) -> Result<Self, Wrong> {
        body.as_object().map(Self).ok_or_else(|| Wrong {
            param: None,
            message: "the body must be a JSON object".to_owned(),
        })
    }

    pub(super) fn get(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn required(self, name: &str) -> Result<&'a Value, Wrong> {
        self.get(name).ok_or_else(|| Wrong::new(name, format!("`{name}` is required")))
    }

    pub(super) fn text(self, name: &str) -> Result<Option<&'a str>, Wrong> {
        let wrong = || Wrong::new(name, format!("`{name}` must be a string"));
        self.get(name).map(|value| value.as_str().ok_or_else(wrong)).transpose()
    }

    pub(super) fn flag(self, name: &str) -> Result<Option<bool>, Wrong> {
        let wrong = || Wrong::new(name, format!("`{name}` must be true or false"));
        self.get(name).map(|value| value.as_bool().ok_or_else(wrong)).transpose()
    }

    pub(super) fn number(
        self,
        name: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, Wrong> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.as_u64() {
            Some(number) if range.contains(&number) => Ok(Some(number)),
            _ => {
                let (least, most) = range.into_inner();
                let bounds = match most {
                    u64::MAX => format!("of at least {least}"),
                    _ => format!("between {least} and {most}"),
                };
                Err(Wrong::new(name, format!("`{name}` must be a whole number {bounds}")))
            }
        }
    }

    /// `stop`: one sequence, or up to four.
    pub(super) fn stop(self) -> Result<Vec<String>, Wrong> {
        let wrong =
            || Wrong::new("stop", "`stop` must be a string, or a list of up to four strings");
        match self.get("stop") {
            None => Ok(Vec::new()),
            Some(Value::String(one)) => Ok(vec![one.clone()]),
            Some(Value::Array(several)) if several.len() <= 4 => several
                .iter()
                .map(|each| each.as_str().map(str::to_owned).ok_or_else(wrong))
                .collect(),
            Some(_) => Err(wrong()),
        }
    }

    /// Whether the client itself asked for the usage of a stream, which gives every chunk a field.
    pub(super) fn includes_usage(self) -> bool {
        self.get("stream_options")
            .and_then(|options| options.get("include_usage"))
            .is_some_and(|include| include == &Value::Bool(true))
    }

    /// `input` of embeddings or `prompt` of completions: texts, or tokens, which are put in words
    /// since the sim has no vocabulary to look them up in.
    pub(super) fn texts(self, name: &str) -> Result<Vec<String>, Wrong> {
        let wrong = || {
            let message = format!("`{name}` must be a string, a list of strings, or tokens");
            Wrong::new(name, message)
        };
        let tokens = |tokens: &[Value]| -> Option<String> {
            let words: Option<Vec<String>> =
                tokens.iter().map(|token| Some(token.as_u64()?.to_string())).collect();
            words.map(|words| words.join(" "))
        };
        match self.required(name)? {
            Value::String(one) => Ok(vec![one.clone()]),
            Value::Array(several) if several.first().is_some_and(Value::is_number) => {
                Ok(vec![tokens(several).ok_or_else(wrong)?])
            }
            Value::Array(several) if (1..=2_048).contains(&several.len()) => several
                .iter()
                .map(|each| match each {
                    Value::String(text) => Ok(text.clone()),
                    Value::Array(list) => tokens(list).ok_or_else(wrong),
                    _ => Err(wrong()),
                })
                .collect(),
            Value::Array(_) => {
                Err(Wrong::new(name, format!("`{name}` must hold between 1 and 2048 entries")))
            }
            _ => Err(wrong()),
        }
    }
}

/// The JSON in a body.
pub(super) fn read(body: &[u8]) -> Result<Value, Wrong> {
    serde_json::from_slice(body).map_err(|error| Wrong {
        param: None,
        message: format!("the body is no valid JSON: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_counts_as_absent() {
        let body = json!({"n": null});
        assert_eq!(Fields::of(&body).unwrap().number("n", 1..=8).unwrap(), None);
    }

    #[test]
    fn a_wrong_number_names_its_bounds() {
        let body = json!({"n": 9});
        let wrong = Fields::of(&body).unwrap().number("n", 1..=8).unwrap_err();
        let failure = Failure::from(wrong);
        assert_eq!(failure.class, FailureClass::InvalidRequest);
        let said: Value = serde_json::from_slice(&failure.said.unwrap().body).unwrap();
        assert_eq!(said["error"]["param"], "n");
        assert_eq!(said["error"]["message"], "`n` must be a whole number between 1 and 8");
    }

    #[test]
    fn texts_may_be_one_or_many_or_tokens() {
        let texts = |value: Value| {
            let body = json!({"input": value});
            Fields::of(&body).unwrap().texts("input").ok()
        };
        assert_eq!(texts(json!("a")), Some(vec!["a".to_owned()]));
        assert_eq!(texts(json!(["a", "b"])), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(texts(json!([1, 22])), Some(vec!["1 22".to_owned()]));
        assert_eq!(texts(json!([[1], [2]])), Some(vec!["1".to_owned(), "2".to_owned()]));
        for wrong in [json!([]), json!(3), json!([1, "a"]), json!([{"text": "a"}])] {
            assert_eq!(texts(wrong), None);
        }
    }

    #[test]
    fn the_operator_is_not_told_what_the_client_wrote() {
        let failure = Failure::from(Wrong::new("messages", "quotes a secret"));
        assert!(!failure.message.contains("secret"));
    }
}
