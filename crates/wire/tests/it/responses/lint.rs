//! Strict schemas: what OpenAI takes is taken, what it refuses is refused in its words.

use serde_json::{Map, Value, json};
use wire::error::ErrorBody;
use wire::responses::CreateRequest;

fn lint(fields: Value) -> Result<(), ErrorBody> {
    let Value::Object(fields) = fields else { panic!("fields are an object") };
    let mut body = json!({"model": "m", "input": "Hi."});
    body.as_object_mut().unwrap().extend(fields);
    CreateRequest::parse(body.to_string().as_bytes()).unwrap().lint()
}

fn format(schema: &Value, strict: bool) -> Value {
    let format = json!({"type": "json_schema", "name": "x", "schema": schema, "strict": strict});
    json!({"text": {"format": format}})
}

fn object(properties: Value) -> Value {
    let required: Vec<&String> = properties.as_object().unwrap().keys().collect();
    let mut object = json!({"type": "object", "required": required, "additionalProperties": false});
    object["properties"] = properties;
    object
}

fn said(schema: &Value) -> String {
    let error = lint(format(schema, true)).expect_err(&schema.to_string());
    assert_eq!(error.code.as_deref(), Some("invalid_json_schema"));
    assert_eq!(error.param.as_deref(), Some("text.format.schema"));
    let message = error.message.strip_prefix("Invalid schema for response_format 'x': ");
    message.unwrap().to_owned()
}

#[test]
fn schemas_of_the_subset_pass() {
    let node = object(json!({"value": {"type": ["string", "null"], "enum": ["a", null]},
        "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}));
    let mut tree = object(json!({
        "root": {"$ref": "#/$defs/node"},
        "self": {"type": "array", "items": {"$ref": "#"}, "minItems": 1},
        "when": {"type": "string", "format": "date-time", "pattern": "^2", "description": "d"},
        "kind": {"const": "k"},
        "empty": {"type": "object", "additionalProperties": false},
    }));
    tree["$defs"] = json!({"node": node});
    assert_eq!(lint(format(&tree, true)), Ok(()));
    assert_eq!(lint(format(&json!({"type": "array"}), false)), Ok(()));
}

#[test]
fn what_is_outside_the_subset_is_refused_in_openais_words() {
    let open = json!({"type": "object", "properties": {}, "required": []});
    for (schema, message) in [
        (
            open.clone(),
            "In context=(), 'additionalProperties' is required to be supplied and to be false.",
        ),
        (
            object(json!({"a": open})),
            "In context=('properties', 'a'), 'additionalProperties' is required to be supplied and to be false.",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": [],
            "additionalProperties": false}),
            "In context=(), 'required' is required to be supplied and to be an array including every key in properties. Missing 'a'.",
        ),
        (
            json!({"type": "object", "properties": {}, "required": ["b"], "additionalProperties": false}),
            "In context=(), 'required' is required to be supplied and to be an array including every key in properties. Extra required key 'b' supplied.",
        ),
        (
            json!({"type": "array", "items": {"type": "string"}}),
            "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"array\"'.",
        ),
        (
            json!({"anyOf": [open]}),
            "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"None\"'.",
        ),
        (
            object(json!({"a": {"allOf": [{"type": "string"}]}})),
            "In context=('properties', 'a'), 'allOf' is not permitted.",
        ),
        (
            object(json!({"a": {"description": "x"}})),
            "In context=('properties', 'a'), schema must have a 'type' key.",
        ),
        (
            object(json!({"a": {"type": "array"}})),
            "In context=('properties', 'a'), array schema missing items.",
        ),
        (
            object(
                json!({"it's": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"oneOf": []}}]}}),
            ),
            "In context=('properties', \"it's\", 'anyOf', '1', 'items'), 'oneOf' is not permitted.",
        ),
        (
            object(json!({"a": {"$ref": "#/$defs/gone"}})),
            "In context=('properties', 'a'), reference to component '#/$defs/gone' which was not found in the schema.",
        ),
        (
            object(json!({"a": {"$ref": "https://example.com/schema"}})),
            "In context=('properties', 'a'), a '$ref' can only point into the schema itself, with '#/…'.",
        ),
        (object(json!({"a": true})), "In context=('properties', 'a'), schema must be an object."),
    ] {
        assert_eq!(said(&schema), message);
    }
}

#[test]
fn sizes_are_limited() {
    let nested =
        |levels: usize| (1..levels).fold(object(json!({})), |inner, _| object(json!({"a": inner})));
    assert_eq!(lint(format(&nested(10), true)), Ok(()));
    assert!(said(&nested(11)).starts_with("Expected at most 10 levels of object nesting"));

    let wide = |count: usize| {
        let property = |n: usize| (format!("p{n}"), json!({"type": "null"}));
        object(Value::Object((0..count).map(property).collect::<Map<_, _>>()))
    };
    assert_eq!(lint(format(&wide(5_000), true)), Ok(()));
    assert!(said(&wide(5_001)).contains("received 5001"));

    let listed = |count: usize, length: usize| {
        let values: Vec<String> = (0..count).map(|n| format!("{n:0length$}")).collect();
        object(json!({"a": {"type": "string", "enum": values}}))
    };
    assert_eq!(lint(format(&listed(1_000, 4), true)), Ok(()));
    assert!(said(&listed(1_001, 4)).starts_with("Expected at most 1000 enum values in total"));
    assert_eq!(lint(format(&listed(250, 400), true)), Ok(()));
    assert!(said(&listed(251, 60)).contains("15000 characters in an enum of more than 250 values"));
    assert!(said(&listed(240, 501)).contains("120000 characters of names and enum values"));
}

#[test]
fn functions_are_checked_where_they_are_strict() {
    let function = |strict: Value| {
        json!({"type": "function", "name": "f", "strict": strict,
        "parameters": {"type": "object", "properties": {}}})
    };
    assert_eq!(lint(json!({"tools": [function(json!(false)), function(Value::Null)]})), Ok(()));
    let namespace = json!({"type": "namespace", "name": "n", "tools": [function(json!(true))]});
    for (tools, param) in [
        (json!([{"type": "web_search"}, function(json!(true))]), "tools[1].parameters"),
        (json!([namespace]), "tools[0].tools[0].parameters"),
    ] {
        let error = lint(json!({"tools": tools})).unwrap_err();
        assert_eq!(error.param.as_deref(), Some(param));
        assert_eq!(error.code.as_deref(), Some("invalid_function_parameters"));
        assert!(error.message.starts_with("Invalid schema for function 'f': In context=(), "));
    }
}
