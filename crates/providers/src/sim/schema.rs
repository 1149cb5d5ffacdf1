//! Makes an example that satisfies a JSON schema, out of what the message offers where it fits.
//!
//! Covered: types, `enum`, `const`, `required`, bounds of numbers, strings, arrays and objects,
//! `multipleOf`, common formats, `anyOf`, `oneOf`, `allOf`, `$ref` within the schema. Not covered:
//! `pattern`, `not`, `if`, and what only one branch of `oneOf` may match.

use serde_json::{Map, Value, json};

use super::hints::Hints;
use super::schema_merge::{choose, merge};

/// From here on a recursive schema is brought to its end.
const DEEP: usize = 4;
/// Nothing is nested deeper.
const DEEPEST: usize = 24;
/// No example has more values, however wide its schema.
const MOST_VALUES: usize = 5_000;

/// An example of the schema.
pub(super) fn example(schema: &Value, hints: &mut Hints) -> Value {
    Generator { root: schema, hints, values: 0, nth: 0 }.value(schema, "text", 0)
}

struct Generator<'a> {
    root: &'a Value,
    hints: &'a mut Hints,
    values: usize,
    /// Which of several values that must differ is being made.
    nth: usize,
}

impl Generator<'_> {
    fn value(&mut self, schema: &Value, name: &str, depth: usize) -> Value {
        self.values += 1;
        if depth > DEEPEST || self.values > MOST_VALUES {
            return Value::Null;
        }
        let schema = self.flat(schema, depth, DEEPEST);
        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            return self.one_of(values);
        }
        match kind(&schema) {
            "object" => self.object(&schema, depth),
            "array" => self.array(&schema, name, depth),
            "integer" => self.number(&schema, true),
            "number" => self.number(&schema, false),
            "boolean" => Value::Bool(true),
            "null" => Value::Null,
            _ => self.text(&schema, name),
        }
    }

    /// The schema with its references and combinations merged into one.
    fn flat(&self, schema: &Value, depth: usize, budget: usize) -> Map<String, Value> {
        let mut flat = Map::new();
        let (Some(schema), Some(budget)) = (schema.as_object(), budget.checked_sub(1)) else {
            return flat;
        };
        for (key, value) in schema {
            match (key.as_str(), value) {
                ("$ref", Value::String(reference)) => {
                    if let Some(target) = self.resolve(reference) {
                        merge(&mut flat, self.flat(target, depth, budget));
                    }
                }
                ("allOf", Value::Array(all)) => {
                    for each in all {
                        merge(&mut flat, self.flat(each, depth, budget));
                    }
                }
                ("anyOf" | "oneOf", Value::Array(branches)) => {
                    if let Some(branch) = choose(branches, depth >= DEEP) {
                        merge(&mut flat, self.flat(branch, depth, budget));
                    }
                }
                _ => merge(&mut flat, Map::from_iter([(key.clone(), value.clone())])),
            }
        }
        flat
    }

    fn resolve(&self, reference: &str) -> Option<&Value> {
        self.root.pointer(reference.strip_prefix('#')?)
    }

    fn one_of(&self, values: &[Value]) -> Value {
        let mentioned = values
            .iter()
            .find(|value| value.as_str().is_some_and(|text| self.hints.mentions(text)));
        let by_turn = values.get(self.nth % values.len().max(1));
        mentioned.filter(|_| self.nth == 0).or(by_turn).cloned().unwrap_or(Value::Null)
    }

    fn object(&mut self, schema: &Map<String, Value>, depth: usize) -> Value {
        let none = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let required: Vec<&str> =
            list(schema, "required").iter().filter_map(Value::as_str).collect();
        let more = schema.get("additionalProperties").cloned().unwrap_or(json!({"type": "string"}));
        let mut object = Map::new();
        // The order of the properties, since a reader of a stream may count on it.
        for (name, property) in properties {
            if required.contains(&name.as_str()) {
                object.insert(name.clone(), self.value(property, name, depth + 1));
            }
        }
        for name in required {
            if !object.contains_key(name) {
                object.insert(name.to_owned(), self.value(&more, name, depth + 1));
            }
        }
        let least = size(schema, "minProperties").unwrap_or(0).min(MOST_VALUES);
        let optional = properties.iter().map(|(name, property)| (name.clone(), property));
        let invented = (1..).map(|at: usize| (format!("key{at}"), &more));
        for (name, property) in optional.chain(invented) {
            if object.len() >= least {
                break;
            }
            if !object.contains_key(&name) {
                let value = self.value(property, &name, depth + 1);
                object.insert(name, value);
            }
        }
        Value::Object(object)
    }

    fn array(&mut self, schema: &Map<String, Value>, name: &str, depth: usize) -> Value {
        let least = size(schema, "minItems").unwrap_or(0);
        let wanted = if depth < DEEP { least.max(1) } else { least };
        let wanted = wanted.min(size(schema, "maxItems").unwrap_or(usize::MAX)).min(MOST_VALUES);
        let anything = json!({"type": "string"});
        let prefix = list(schema, "prefixItems");
        let items = schema.get("items").unwrap_or(&anything);
        let unique = schema.get("uniqueItems") == Some(&Value::Bool(true));
        let outer = self.nth;
        let mut array = Vec::new();
        for at in 0..wanted.max(prefix.len()) {
            self.nth = if unique { at } else { outer };
            array.push(self.value(prefix.get(at).unwrap_or(items), name, depth + 1));
        }
        self.nth = outer;
        Value::Array(array)
    }

    fn number(&mut self, schema: &Map<String, Value>, whole: bool) -> Value {
        let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
        let step = bound("multipleOf").filter(|step| *step > 0.0);
        let fits = |number: f64| {
            bound("minimum").is_none_or(|least| number >= least)
                && bound("maximum").is_none_or(|most| number <= most)
                && bound("exclusiveMinimum").is_none_or(|below| number > below)
                && bound("exclusiveMaximum").is_none_or(|above| number < above)
                && step.is_none_or(|step| (number / step).fract() == 0.0)
                && (!whole || number.fract() == 0.0)
        };
        let low = bound("minimum").or(bound("exclusiveMinimum"));
        let high = bound("maximum").or(bound("exclusiveMaximum"));
        let middle = low.zip(high).map(|(low, high)| low.midpoint(high));
        let step_or_one = step.unwrap_or(1.0);
        let near = |edge: f64| {
            let up = (edge / step_or_one).ceil() * step_or_one;
            let down = (edge / step_or_one).floor() * step_or_one;
            [edge, up, down, up + step_or_one, down - step_or_one]
        };
        let turn = step_or_one * f64::from(u32::try_from(self.nth).unwrap_or(0));
        let number = self.hints.number(fits).or_else(|| {
            [Some(1.0), low, high, middle, Some(0.0)]
                .into_iter()
                .flatten()
                .flat_map(near)
                .flat_map(|number| [number + turn, number - turn])
                .find(|number| fits(*number))
        });
        match number.unwrap_or(1.0) {
            // Without a fraction, so that 1 is written `1`, which every integer type reads.
            number if number.fract() == 0.0 && number.abs() < 9.0e15 => json!(number as i64),
            number => json!(number),
        }
    }

    fn text(&mut self, schema: &Map<String, Value>, name: &str) -> Value {
        let least = size(schema, "minLength").unwrap_or(0).min(100_000);
        let most = size(schema, "maxLength").unwrap_or(usize::MAX);
        if let Some(text) = schema.get("format").and_then(Value::as_str).and_then(formatted) {
            return text.into();
        }
        let fits = |text: &str| (least..=most).contains(&text.chars().count());
        if !schema.contains_key("pattern")
            && let Some(text) = self.hints.text(fits)
        {
            return text.into();
        }
        let turn = if self.nth > 0 { format!("{} ", self.nth) } else { String::new() };
        let text: String = format!("{turn}scripted {name}").chars().take(most).collect();
        format!("{text:.<least$}").into()
    }
}

/// The one type that a schema's value shall have.
fn kind(schema: &Map<String, Value>) -> &str {
    let has = |keys: &[&str]| keys.iter().any(|key| schema.contains_key(*key));
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => {
            let kinds = || kinds.iter().filter_map(Value::as_str);
            kinds().find(|kind| *kind != "null").or(kinds().next()).unwrap_or("string")
        }
        _ if has(&["properties", "required", "additionalProperties", "minProperties"]) => "object",
        _ if has(&["items", "prefixItems", "minItems"]) => "array",
        _ if has(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]) => {
            "number"
        }
        _ => "string",
    }
}

fn formatted(format: &str) -> Option<&'static str> {
    Some(match format {
        "date-time" => "2026-01-01T00:00:00Z",
        "date" => "2026-01-01",
        "time" => "00:00:00Z",
        "duration" => "P1D",
        "email" | "idn-email" => "sim@example.com",
        "hostname" | "idn-hostname" => "example.com",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "uri" | "iri" | "uri-reference" | "iri-reference" | "url" => "https://example.com/",
        "uuid" => "00000000-0000-4000-8000-000000000000",
        _ => return None,
    })
}

fn size(schema: &Map<String, Value>, key: &str) -> Option<usize> {
    usize::try_from(schema.get(key)?.as_u64()?).ok()
}

fn list<'a>(schema: &'a Map<String, Value>, key: &str) -> &'a [Value] {
    schema.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(schema: &Value) -> Value {
        example(schema, &mut Hints::default())
    }

    #[test]
    fn scalars_keep_their_bounds() {
        assert_eq!(plain(&json!({"type": "integer", "minimum": 5})), 5);
        assert_eq!(plain(&json!({"type": "integer", "exclusiveMinimum": 5})), 6);
        assert_eq!(plain(&json!({"type": "integer", "maximum": -3})), -3);
        assert_eq!(plain(&json!({"type": "integer", "minimum": 7, "multipleOf": 5})), 10);
        assert_eq!(
            plain(&json!({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1})),
            0.5
        );
        assert_eq!(plain(&json!({"type": "string", "maxLength": 3})), "scr");
        assert_eq!(plain(&json!({"type": "string", "minLength": 16})), "scripted text...");
        assert_eq!(plain(&json!({"type": "string", "format": "date"})), "2026-01-01");
        assert_eq!(plain(&json!({"type": ["null", "boolean"]})), true);
        assert_eq!(plain(&json!({"const": {"a": 1}})), json!({"a": 1}));
        assert_eq!(plain(&json!({"enum": ["b", "c"]})), "b");
        assert_eq!(plain(&json!(true)), "scripted text");
    }

    #[test]
    fn objects_have_what_is_required_in_the_order_of_the_properties() {
        let made = plain(&json!({
            "type": "object",
            "properties": {
                "a": {"type": "string"}, "b": {"type": "integer"}, "c": {"type": "null"},
            },
            "required": ["c", "a", "elsewhere"],
        }));
        assert_eq!(
            made.to_string(),
            r#"{"a":"scripted a","c":null,"elsewhere":"scripted elsewhere"}"#
        );
        let made = plain(&json!({"type": "object", "properties": {"a": {}}, "minProperties": 2}));
        assert_eq!(made, json!({"a": "scripted a", "key1": "scripted key1"}));
    }

    #[test]
    fn arrays_have_as_many_items_as_they_need() {
        let items = json!({"type": "integer"});
        assert_eq!(plain(&json!({"type": "array", "items": items})), json!([1]));
        assert_eq!(plain(&json!({"type": "array", "items": items, "maxItems": 0})), json!([]));
        assert_eq!(plain(&json!({"type": "array", "items": items, "minItems": 2})), json!([1, 1]));
        let unique = json!({"type": "array", "minItems": 3, "uniqueItems": true});
        let made = |items: Value| {
            let mut schema = unique.clone();
            schema["items"] = items;
            plain(&schema)
        };
        assert_eq!(made(items), json!([1, 2, 3]));
        assert_eq!(made(json!({"enum": ["x", "y", "z"]})), json!(["x", "y", "z"]));
        assert_eq!(made(json!({"type": "string"}))[2], "2 scripted text");
    }

    #[test]
    fn combinations_are_all_kept() {
        let made = plain(&json!({
            "allOf": [{"$ref": "#/$defs/named"}, {"properties": {"age": {"minimum": 18}}}],
            "properties": {"age": {"type": "integer", "minimum": 3}},
            "required": ["age"],
            "$defs": {"named": {
                "type": "object",
                "properties": {"name": {"anyOf": [{"type": "null"}, {"type": "string"}]}},
                "required": ["name"],
            }},
        }));
        assert_eq!(made, json!({"name": "scripted name", "age": 18}));
    }

    #[test]
    fn recursion_comes_to_an_end() {
        let tree = json!({
            "$ref": "#/$defs/node",
            "$defs": {"node": {
                "type": "object",
                "properties": {
                    "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                },
                "required": ["next", "children"],
            }},
        });
        let made = plain(&tree).to_string();
        assert!(made.contains(r#""next":null,"children":[]"#) && made.len() < 4_000, "{made}");
        // No value satisfies these; they must end all the same.
        plain(&json!({"$ref": "#"}));
        plain(&json!({"required": ["a", "b", "c"], "additionalProperties": {"$ref": "#"}}));
        plain(&json!({"type": "array", "minItems": 1_000_000_000_000_u64}));
    }

    #[test]
    fn the_message_offers_what_fits() {
        let schema = json!({
            "properties": {
                "n": {"type": "integer"}, "who": {"type": "string"},
                "unit": {"enum": ["celsius", "fahrenheit"]},
                "big": {"type": "integer", "minimum": 100},
            },
            "required": ["n", "who", "unit", "big"],
        });
        let mut hints = Hints::of("Give 200 then 3 to 'Ann' in Fahrenheit, not 4.5");
        let made = example(&schema, &mut hints);
        assert_eq!(made, json!({"n": 200, "who": "Ann", "unit": "fahrenheit", "big": 100}));
    }
}
