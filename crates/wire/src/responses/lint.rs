//! Strict schemas, checked before any provider is asked: the subset of JSON Schema that OpenAI
//! takes with `strict`, with its limits, in its words. What passes here is taken everywhere, and
//! what does not is answered at once and the same whoever would have answered.
//!
//! The subset is documented at <https://platform.openai.com/docs/guides/structured-outputs>.

use std::collections::HashSet;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::request::CreateRequest;
use crate::envelope::check::LONGEST_QUOTE;
use crate::error::ErrorBody;

/// Objects inside each other.
const DEEPEST: usize = 10;
/// Properties in all.
const MOST_PROPERTIES: usize = 5_000;
/// Values of enumerations in all.
const MOST_ENUM_VALUES: usize = 1_000;
/// One enumeration of more texts than this is limited in its characters, too.
const LARGE_ENUM: usize = 250;
const LONGEST_LARGE_ENUM: usize = 15_000;
/// Characters in all of names of properties and definitions, and of values of enumerations and
/// constants.
const MOST_CHARACTERS: usize = 120_000;

/// Keywords that a strict schema cannot have.
const FORBIDDEN: [&str; 21] = [
    "allOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
    "patternProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
    "additionalItems",
    "prefixItems",
    "contains",
    "minContains",
    "maxContains",
    "uniqueItems",
];

impl CreateRequest {
    /// Checks the strict schemas of the answer's text and of the function tools.
    ///
    /// # Errors
    /// The 400 that OpenAI would answer to a schema that it cannot enforce.
    pub fn lint(&self) -> Result<(), ErrorBody> {
        if let Some(schema) = self.strict_schema() {
            let name = self.fields.get("text").and_then(|text| text.pointer("/format/name"));
            let subject = format!("response_format '{}'", shown(name));
            check(schema, &subject).map_err(|message| {
                let error = ErrorBody::invalid_request(message);
                error.at("text.format.schema").coded("invalid_json_schema")
            })?;
        }
        for (place, tool) in self.tools().iter().enumerate() {
            self::tool(tool, &format!("tools[{place}]"))?;
        }
        Ok(())
    }
}

/// A function, or the functions of a namespace.
fn tool(tool: &Value, path: &str) -> Result<(), ErrorBody> {
    match tool.get("type").and_then(Value::as_str) {
        Some("namespace") => {
            let members = tool.get("tools").and_then(Value::as_array).into_iter().flatten();
            for (place, member) in members.enumerate() {
                self::tool(member, &format!("{path}.tools[{place}]"))?;
            }
            Ok(())
        }
        Some("function") if tool.get("strict") == Some(&Value::Bool(true)) => {
            let Some(schema) = tool.get("parameters").filter(|schema| !schema.is_null()) else {
                return Ok(());
            };
            let subject = format!("function '{}'", shown(tool.get("name")));
            check(schema, &subject).map_err(|message| {
                let error = ErrorBody::invalid_request(message);
                error.at(format!("{path}.parameters")).coded("invalid_function_parameters")
            })
        }
        _ => Ok(()),
    }
}

fn shown(name: Option<&Value>) -> String {
    let name = name.and_then(Value::as_str).unwrap_or_default();
    name.chars().take(LONGEST_QUOTE).collect()
}

fn check(schema: &Value, subject: &str) -> Result<(), String> {
    let mut lint = Lint { root: schema, path: Vec::new(), properties: 0, values: 0, characters: 0 };
    let fault = lint.root().and_then(|()| lint.schema(schema, 0));
    fault.map_err(|fault| format!("Invalid schema for {subject}: {fault}"))
}

/// One walk over a schema. The request's own limit of nesting bounds its depth; references are
/// looked up, never followed.
struct Lint<'a> {
    root: &'a Value,
    path: Vec<String>,
    properties: usize,
    values: usize,
    characters: usize,
}

impl<'a> Lint<'a> {
    fn root(&self) -> Result<(), String> {
        let object = |kind: &Value| kind == "object";
        match self.root.get("type") {
            Some(kind) if object(kind) => {}
            kind => {
                let got = kind.map_or_else(
                    || "None".to_owned(),
                    |kind| match kind.as_str() {
                        Some(kind) => kind.chars().take(LONGEST_QUOTE).collect(),
                        None => "a list".to_owned(),
                    },
                );
                return Err(format!(
                    "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{got}\"'."
                ));
            }
        }
        if self.root.get("anyOf").is_some() {
            return Err(self.here("'anyOf' is not permitted at the top level."));
        }
        Ok(())
    }

    fn schema(&mut self, schema: &'a Value, depth: usize) -> Result<(), String> {
        let Value::Object(fields) = schema else {
            return Err(self.here("schema must be an object."));
        };
        if let Some(keyword) = FORBIDDEN.iter().find(|keyword| fields.contains_key(**keyword)) {
            return Err(self.here(&format!("'{keyword}' is not permitted.")));
        }
        let kinds = ["type", "anyOf", "$ref", "enum", "const"];
        if !kinds.iter().any(|keyword| fields.contains_key(*keyword)) {
            return Err(self.here("schema must have a 'type' key."));
        }
        if let Some(reference) = fields.get("$ref") {
            self.reference(reference)?;
        }
        self.values(fields)?;
        let mut depth = depth;
        if is(fields, "object") || fields.contains_key("properties") {
            depth += 1;
            if depth > DEEPEST {
                return Err(most("levels of object nesting", DEEPEST, depth));
            }
            self.object(fields, depth)?;
        }
        if is(fields, "array") && !fields.contains_key("items") {
            return Err(self.here("array schema missing items."));
        }
        if let Some(items) = fields.get("items") {
            self.within("items", |lint| lint.schema(items, depth))?;
        }
        if let Some(Value::Array(choices)) = fields.get("anyOf") {
            self.within("anyOf", |lint| {
                choices.iter().enumerate().try_for_each(|(place, choice)| {
                    lint.within(&place.to_string(), |lint| lint.schema(choice, depth))
                })
            })?;
        }
        for keyword in ["$defs", "definitions"] {
            if let Some(Value::Object(definitions)) = fields.get(keyword) {
                // A definition's depth counts from where it stands; it could be used anywhere.
                self.within(keyword, |lint| lint.each(definitions, 0))?;
            }
        }
        Ok(())
    }

    fn object(&mut self, fields: &'a Map<String, Value>, depth: usize) -> Result<(), String> {
        if fields.get("additionalProperties") != Some(&Value::Bool(false)) {
            return Err(
                self.here("'additionalProperties' is required to be supplied and to be false.")
            );
        }
        let properties = match fields.get("properties") {
            None => return self.required(fields, &Map::new()),
            Some(Value::Object(properties)) => properties,
            Some(_) => return Err(self.here("'properties' must be an object.")),
        };
        self.required(fields, properties)?;
        self.properties += properties.len();
        if self.properties > MOST_PROPERTIES {
            return Err(most("object properties in total", MOST_PROPERTIES, self.properties));
        }
        self.within("properties", |lint| lint.each(properties, depth))
    }

    fn required(
        &self,
        fields: &Map<String, Value>,
        properties: &Map<String, Value>,
    ) -> Result<(), String> {
        let empty = Vec::new();
        let listed = match fields.get("required") {
            None => &empty,
            Some(Value::Array(listed)) => listed,
            Some(_) => return Err(self.here("'required' must be an array.")),
        };
        let all = "'required' is required to be supplied and to be an array including every key in \
                   properties.";
        let listed: HashSet<&str> = listed.iter().filter_map(Value::as_str).collect();
        if let Some(missing) = properties.keys().find(|name| !listed.contains(name.as_str())) {
            return Err(self.here(&format!("{all} Missing {}.", quoted(missing))));
        }
        if let Some(extra) = listed.iter().find(|name| !properties.contains_key(**name)) {
            return Err(self.here(&format!("{all} Extra required key {} supplied.", quoted(extra))));
        }
        Ok(())
    }

    /// Named schemas: properties, or definitions.
    fn each(&mut self, schemas: &'a Map<String, Value>, depth: usize) -> Result<(), String> {
        for (name, schema) in schemas {
            self.count(name)?;
            self.within(name, |lint| lint.schema(schema, depth))?;
        }
        Ok(())
    }

    fn reference(&self, reference: &Value) -> Result<(), String> {
        let pointer = reference.as_str().and_then(|reference| reference.strip_prefix('#'));
        let Some(pointer) = pointer else {
            return Err(self.here("a '$ref' can only point into the schema itself, with '#/…'."));
        };
        match self.root.pointer(pointer) {
            Some(_) => Ok(()),
            None => Err(self.here(&format!(
                "reference to component '#{}' which was not found in the schema.",
                pointer.chars().take(LONGEST_QUOTE).collect::<String>()
            ))),
        }
    }

    /// What `enum` and `const` list.
    fn values(&mut self, fields: &Map<String, Value>) -> Result<(), String> {
        if let Some(text) = fields.get("const").and_then(Value::as_str) {
            self.count(text)?;
        }
        let Some(values) = fields.get("enum") else { return Ok(()) };
        let Value::Array(values) = values else {
            return Err(self.here("'enum' must be an array."));
        };
        self.values += values.len();
        if self.values > MOST_ENUM_VALUES {
            return Err(most("enum values in total", MOST_ENUM_VALUES, self.values));
        }
        let texts = || values.iter().filter_map(Value::as_str);
        texts().try_for_each(|text| self.count(text))?;
        let length = texts().map(|text| text.chars().count()).sum();
        if values.len() > LARGE_ENUM && length > LONGEST_LARGE_ENUM {
            let what = format!("characters in an enum of more than {LARGE_ENUM} values");
            return Err(most(&what, LONGEST_LARGE_ENUM, length));
        }
        Ok(())
    }

    fn count(&mut self, text: &str) -> Result<(), String> {
        self.characters += text.chars().count();
        if self.characters > MOST_CHARACTERS {
            let what = "characters of names and enum values in total";
            return Err(most(what, MOST_CHARACTERS, self.characters));
        }
        Ok(())
    }

    fn within(
        &mut self,
        step: &str,
        walk: impl FnOnce(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        self.path.push(step.to_owned());
        let walked = walk(self);
        self.path.pop();
        walked
    }

    /// A fault at the place where the walk stands, which OpenAI writes as a tuple of Python.
    fn here(&self, fault: &str) -> String {
        let mut said = String::from("In context=(");
        for (place, step) in self.path.iter().enumerate() {
            let separator = if place == 0 { "" } else { ", " };
            // Writing to a String cannot fail.
            let _ = write!(said, "{separator}{}", quoted(step));
        }
        let end = if self.path.len() == 1 { ",)" } else { ")" };
        format!("{said}{end}, {fault}")
    }
}

fn is(fields: &Map<String, Value>, wanted: &str) -> bool {
    match fields.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == wanted),
        Some(kind) => kind == wanted,
        None => false,
    }
}

fn quoted(name: &str) -> String {
    let name: String = name.chars().take(LONGEST_QUOTE).collect();
    let quote = if name.contains('\'') && !name.contains('"') { '"' } else { '\'' };
    format!("{quote}{name}{quote}")
}

fn most(what: &str, most: usize, got: usize) -> String {
    format!(
        "Expected at most {most} {what} within a single schema when using structured outputs, but \
         received {got}. Consider reducing them, or use 'strict: false' to opt out of structured \
         outputs."
    )
}
