//! Makes one schema of several: the branch that is taken, and the demands of all that hold at once.

use serde_json::{Map, Value, json};

/// The first branch that says something; deep down, the one that leads no deeper.
pub(super) fn choose(branches: &[Value], deep: bool) -> Option<&Value> {
    let is_null = |branch: &&Value| branch.get("type").and_then(Value::as_str) == Some("null");
    if !deep {
        branches.iter().find(|branch| !is_null(branch)).or(branches.first())
    } else {
        branches.iter().find(is_null).or(branches.iter().min_by_key(|branch| refers(branch)))
    }
}

fn refers(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => fields.iter().any(|(key, value)| key == "$ref" || refers(value)),
        Value::Array(values) => values.iter().any(refers),
        _ => false,
    }
}

/// Adds the demands of one schema to those of another.
pub(super) fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (key, new) in from {
        let merged = match (key.as_str(), into.get(&key)) {
            (_, None) => new,
            ("properties", Some(Value::Object(old))) => merge_properties(old.clone(), new),
            ("required", Some(Value::Array(old))) => {
                let new = new.as_array().map(Vec::as_slice).unwrap_or_default();
                let added = new.iter().filter(|name| !old.contains(name));
                old.iter().chain(added).cloned().collect()
            }
            ("enum", Some(Value::Array(old))) => {
                let both = |value: &&Value| new.as_array().is_some_and(|new| new.contains(value));
                old.iter().filter(both).cloned().collect()
            }
            ("minimum" | "exclusiveMinimum" | "minLength" | "minItems", Some(old)) => {
                if old.as_f64() > new.as_f64() { old.clone() } else { new }
            }
            ("maximum" | "exclusiveMaximum" | "maxLength" | "maxItems", Some(old)) => {
                if old.as_f64() < new.as_f64() { old.clone() } else { new }
            }
            // One of several types is narrowed down by a single one, whichever came first.
            ("type", Some(Value::String(old))) if new.is_array() => old.clone().into(),
            (_, Some(_)) => new,
        };
        into.insert(key, merged);
    }
}

fn merge_properties(mut old: Map<String, Value>, new: Value) -> Value {
    let Value::Object(new) = new else { return old.into() };
    for (name, property) in new {
        let property = match old.get(&name) {
            Some(other) => json!({"allOf": [other, property]}),
            None => property,
        };
        old.insert(name, property);
    }
    old.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(one: Value, other: Value) -> Value {
        let (Value::Object(mut one), Value::Object(other)) = (one, other) else { panic!() };
        merge(&mut one, other);
        one.into()
    }

    #[test]
    fn the_demands_of_both_hold() {
        let one = json!({
            "type": "string", "minLength": 3, "maxLength": 9, "required": ["a"], "enum": [1, 2],
            "properties": {"a": {"minimum": 1}},
        });
        let other = json!({
            "type": ["string", "null"], "minLength": 2, "maxLength": 5, "required": ["b", "a"],
            "enum": [2, 3], "properties": {"a": {"maximum": 4}, "b": {}},
        });
        let both = json!({
            "type": "string", "minLength": 3, "maxLength": 5, "required": ["a", "b"], "enum": [2],
            "properties": {"a": {"allOf": [{"minimum": 1}, {"maximum": 4}]}, "b": {}},
        });
        assert_eq!(merged(one, other), both);
    }

    #[test]
    fn deep_down_the_branch_that_ends_is_taken() {
        let (null, node, text) =
            (json!({"type": "null"}), json!({"$ref": "#/node"}), json!({"type": "string"}));
        let branches = [null.clone(), node.clone(), text.clone()];
        assert_eq!(choose(&branches, false), Some(&node));
        assert_eq!(choose(&branches, true), Some(&null));
        assert_eq!(choose(&[node, text.clone()], true), Some(&text));
        assert_eq!(choose(&[], true), None);
    }
}
