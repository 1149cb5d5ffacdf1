//! Edits of JSON objects that leave every value they do not name byte for byte as it was.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The fields of an object in their order, values unread.
#[derive(Debug)]
pub(crate) struct Fields<'a>(Vec<(Cow<'a, str>, Cow<'a, RawValue>)>);

impl<'a> Fields<'a> {
    /// Takes an object apart; `None` if it is none.
    pub(crate) fn parse(json: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }

    /// The value of a field, as it is written.
    pub(crate) fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// Removes a field and says whether it was there.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|(key, _)| key != name);
        self.0.len() < before
    }

    /// Gives a field another name, unless a field of that name is there already; then the old one
    /// goes.
    pub(crate) fn rename(&mut self, old: &str, new: &'a str) -> bool {
        if self.get(new).is_some_and(|value| value.get() != "null") {
            return self.remove(old);
        }
        if self.get(old).is_none() {
            return false;
        }
        self.remove(new);
        for (key, _) in &mut self.0 {
            if key == old {
                *key = Cow::Borrowed(new);
            }
        }
        true
    }

    /// Gives a field another value.
    pub(crate) fn set(&mut self, name: &'a str, value: Box<RawValue>) {
        match self.0.iter_mut().find(|(key, _)| key == name) {
            Some((_, old)) => *old = Cow::Owned(value),
            None => self.0.push((Cow::Borrowed(name), Cow::Owned(value))),
        }
    }

    /// Puts the object together again.
    pub(crate) fn write(&self) -> Vec<u8> {
        let size = self.0.iter().map(|(key, value)| key.len() + value.get().len() + 4).sum();
        let mut out: Vec<u8> = Vec::with_capacity(size);
        out.push(b'{');
        for (index, (key, value)) in self.0.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(serde_json::Value::from(&**key).to_string().as_bytes());
            out.push(b':');
            out.extend_from_slice(value.get().as_bytes());
        }
        out.push(b'}');
        out
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields<'de>, M::Error> {
                let mut fields = Vec::with_capacity(16);
                while let Some(Key(key)) = map.next_key()? {
                    fields.push((key, Cow::Borrowed(map.next_value::<&RawValue>()?)));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// A key that is borrowed where it has no escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] =
        br#"{ "model": "m", "max_completion_tokens":  5, "x": {"a" : [1.0, 1e3]} }"#;

    #[test]
    fn values_stay_byte_for_byte() {
        let fields = Fields::parse(BODY).unwrap();
        let expected = br#"{"model":"m","max_completion_tokens":5,"x":{"a" : [1.0, 1e3]}}"#;
        assert_eq!(fields.write(), expected);
        assert!(Fields::parse(b"[1]").is_none());
        assert!(Fields::parse(b"{\"a\": }").is_none());
    }

    #[test]
    fn fields_are_renamed_removed_and_set() {
        let mut fields = Fields::parse(BODY).unwrap();
        assert!(fields.rename("max_completion_tokens", "max_tokens"));
        assert!(!fields.rename("max_completion_tokens", "max_tokens"));
        assert!(fields.remove("x"));
        fields.set("model", RawValue::from_string("\"n\"".to_owned()).unwrap());
        assert_eq!(fields.write(), br#"{"model":"n","max_tokens":5}"#);
        let mut both = Fields::parse(br#"{"old":1,"new":2}"#).unwrap();
        assert!(both.rename("old", "new"));
        assert_eq!(both.write(), br#"{"new":2}"#);
    }
}
