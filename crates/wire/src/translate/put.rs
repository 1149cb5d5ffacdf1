//! Building JSON objects field by field.

use serde_json::{Map, Value};

/// Sets fields of an object.
pub(super) trait Put {
    /// Sets a field.
    fn put(&mut self, name: &str, value: impl Into<Value>);

    /// Sets a field if there is something to set.
    fn put_some(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    /// Sets a field if the list holds something.
    fn put_list(&mut self, name: &str, list: Vec<Value>) {
        if !list.is_empty() {
            self.put(name, list);
        }
    }
}

impl Put for Map<String, Value> {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.insert(name.to_owned(), value.into());
    }
}

/// For what `json!` made. What is no object has no fields to set.
impl Put for Value {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        if let Self::Object(fields) = self {
            fields.put(name, value);
        }
    }
}
