//! A JSON object whose members are read by name and otherwise left as they were written: numbers
//! too long for us, and words that we do not know, pass.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;

/// The members of an object, in their order.
#[derive(Debug, Default)]
pub(super) struct Members<'a>(Vec<(Cow<'a, str>, Cow<'a, RawValue>)>);

impl<'a> Members<'a> {
    /// Reads an object; `None` for everything else.
    pub(super) fn read(json: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }

    /// The JSON text of a member's value. Of a repeated member, the last.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.get())
    }

    /// How often a member is there.
    pub(super) fn count(&self, name: &str) -> usize {
        self.0.iter().filter(|(known, _)| known == name).count()
    }

    /// Takes a member out.
    pub(super) fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }

    /// Puts a value in the member's place; where there is none, at the end.
    pub(super) fn put(&mut self, name: &'static str, value: Box<RawValue>) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, place)) => *place = Cow::Owned(value),
            None => self.0.push((Cow::Borrowed(name), Cow::Owned(value))),
        }
    }

    /// The object as JSON.
    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value.as_ref())))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::with_capacity(map.size_hint().unwrap_or(16));
                while let Some((Name(name), value)) = map.next_entry::<_, &'de RawValue>()? {
                    members.push((name, Cow::Borrowed(value)));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_touched_stays_as_it_was_written() {
        let json = br#"{"a":1e400,"b\u0031":{ "x" : 1 },"c":123456789012345678901234567890}"#;
        let mut members = Members::read(json).unwrap();
        assert_eq!(members.get("b1"), Some(r#"{ "x" : 1 }"#));
        members.remove("a");
        members.put("d", RawValue::from_string("true".to_owned()).unwrap());
        members.put("b1", RawValue::from_string("2".to_owned()).unwrap());
        let written = String::from_utf8(members.to_json()).unwrap();
        assert_eq!(written, r#"{"b1":2,"c":123456789012345678901234567890,"d":true}"#);
    }

    #[test]
    fn only_objects_are_read_and_repetition_is_seen() {
        for wrong in [&b"[1]"[..], b"1", b"{", b""] {
            assert!(Members::read(wrong).is_none());
        }
        assert_eq!(Members::read(br#"{"a":1,"a":2}"#).unwrap().count("a"), 2);
    }
}
