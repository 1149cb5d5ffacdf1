//! What a client asks for: what is checked, what goes upstream, what the response repeats.

use serde_json::{Value, json};
use wire::error::ErrorBody;
use wire::responses::CreateRequest;

fn parse(body: &Value) -> Result<CreateRequest, ErrorBody> {
    CreateRequest::parse(body.to_string().as_bytes())
}

/// A request with these fields beside the least that there must be.
fn with(fields: Value) -> Value {
    let Value::Object(fields) = fields else { panic!("fields are an object") };
    let mut body = json!({"model": "m", "input": "Hi."});
    body.as_object_mut().unwrap().extend(fields);
    body
}

#[test]
fn a_text_becomes_a_message_and_defaults_are_openais() {
    let request = parse(&with(json!({}))).unwrap();
    let message = json!({"type": "message", "role": "user",
        "content": [{"type": "input_text", "text": "Hi."}]});
    assert_eq!(request.input, [message]);
    assert_eq!(request.model, "m");
    assert!(!request.stream && !request.background && request.generate);
    assert_eq!(
        (request.store, request.max_tool_calls, request.truncation_auto),
        (None, None, false)
    );
    let nulls = parse(&with(json!({"stream": null, "store": null, "tools": null, "text": null,
        "metadata": null, "include": null, "conversation": null, "previous_response_id": null,
        "reasoning": null, "tool_choice": null, "truncation": null, "instructions": null})));
    assert_eq!(nulls.unwrap().echo(), request.echo());
}

#[test]
fn what_a_client_says_is_not_in_debug_output() {
    let request = parse(&with(json!({"input": "SECRET", "instructions": "SECRET"}))).unwrap();
    assert!(!format!("{request:?}").contains("SECRET"));
}

#[test]
fn what_is_wrong_is_named_with_openais_code() {
    let many: Value =
        (0..17).map(|n| (n.to_string(), "x".into())).collect::<serde_json::Map<_, _>>().into();
    for (fields, param, code) in [
        (json!({"model": ""}), "model", None),
        (json!({"model": 7}), "model", Some("invalid_type")),
        (json!({"input": []}), "input", Some("missing_required_parameter")),
        (json!({"input": 7}), "input", Some("invalid_type")),
        (
            json!({"input": [{"role": "user", "content": 7}]}),
            "input[0].content",
            Some("invalid_type"),
        ),
        (
            json!({"input": [{"role": "robot", "content": "x"}]}),
            "input[0].role",
            Some("invalid_value"),
        ),
        (json!({"stream": "yes"}), "stream", Some("invalid_type")),
        (json!({"instructions": ["x"]}), "instructions", Some("invalid_type")),
        (json!({"temperature": 2.1}), "temperature", Some("decimal_above_max_value")),
        (json!({"top_logprobs": 21}), "top_logprobs", Some("integer_above_max_value")),
        (json!({"max_output_tokens": 15}), "max_output_tokens", Some("integer_below_min_value")),
        (json!({"max_tool_calls": 0}), "max_tool_calls", Some("integer_below_min_value")),
        (json!({"truncation": "maybe"}), "truncation", Some("invalid_value")),
        (json!({"tool_choice": "maybe"}), "tool_choice", Some("invalid_value")),
        (json!({"tool_choice": {}}), "tool_choice.type", Some("missing_required_parameter")),
        (json!({"tools": {}}), "tools", Some("invalid_type")),
        (json!({"tools": [{}]}), "tools[0].type", Some("missing_required_parameter")),
        // The shape of Chat Completions.
        (
            json!({"tools": [{"type": "function", "function": {"name": "f"}}]}),
            "tools[0].name",
            Some("missing_required_parameter"),
        ),
        (json!({"text": "x"}), "text", Some("invalid_type")),
        (
            json!({"text": {"format": {"type": "json_schema"}}}),
            "text.format.name",
            Some("missing_required_parameter"),
        ),
        (
            json!({"text": {"format": {"type": "json_schema", "name": "n"}}}),
            "text.format.schema",
            Some("missing_required_parameter"),
        ),
        (json!({"include": [1]}), "include[0]", Some("invalid_type")),
        (json!({"metadata": {"k": 1}}), "metadata.k", Some("invalid_type")),
        (json!({"metadata": many}), "metadata", Some("object_above_max_properties")),
        (
            json!({"metadata": {"k": "x".repeat(513)}}),
            "metadata.k",
            Some("string_above_max_length"),
        ),
        (json!({"conversation": 7}), "conversation", Some("invalid_type")),
        (json!({"conversation": {}}), "conversation.id", Some("missing_required_parameter")),
        (
            json!({"conversation": "conv_1", "previous_response_id": "resp_1"}),
            "previous_response_id",
            Some("mutually_exclusive_parameters"),
        ),
        (
            json!({"background": true, "store": false}),
            "background",
            Some("mutually_exclusive_parameters"),
        ),
    ] {
        let error = parse(&with(fields.clone())).expect_err(&fields.to_string());
        assert_eq!(
            (error.param.as_deref(), error.code.as_deref()),
            (Some(param), code),
            "{fields}"
        );
    }
    let long = with(json!({"metadata": {"k".repeat(65): "x"}}));
    assert!(parse(&long).unwrap_err().message.contains("maximum length 64"));
}

#[test]
fn a_field_that_comes_twice_or_a_body_that_is_too_deep_is_refused() {
    let twice = br#"{"model": "m", "input": "a", "input": "b"}"#;
    let error = CreateRequest::parse(twice).unwrap_err();
    assert_eq!(error.code.as_deref(), Some("duplicate_field"));
    assert_eq!(error.param.as_deref(), Some("input"));
    let deep = format!(r#"{{"model":"m","input":{}{}}}"#, "[".repeat(101), "]".repeat(101));
    assert!(CreateRequest::parse(deep.as_bytes()).unwrap_err().message.contains("nested"));
    for body in ["", "[]", "7", "{\"model\": \"m\", \"input\": \"\\ud800\"}"] {
        assert!(CreateRequest::parse(body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn without_input_there_must_be_something_to_go_on_with() {
    for fields in [
        json!({"previous_response_id": "resp_1"}),
        json!({"conversation": {"id": "conv_1"}}),
        json!({"prompt": {"id": "pmpt_1"}}),
        json!({"generate": false}),
    ] {
        let mut body = fields.clone();
        body["model"] = "m".into();
        assert!(parse(&body).is_ok(), "{fields}");
        assert!(parse(&with(fields)).is_ok());
    }
    assert!(CreateRequest::parse_for_counting(b"{}").is_ok());
    assert!(CreateRequest::parse_for_counting(br#"{"input": [7]}"#).is_err());
}

#[test]
fn upstream_reads_the_context_and_what_is_not_ours() {
    let request = parse(&with(json!({
        "type": "response.create", "event_id": "e", "client_metadata": {"a": "b"},
        "stream": true, "stream_options": {"include_obfuscation": true}, "store": true,
        "background": false, "metadata": {"a": "b"}, "previous_response_id": "resp_1",
        "include": ["message.output_text.logprobs"], "instructions": "Be brief.",
        "new_field": {"deep": [1]},
    })))
    .unwrap();
    let context = [json!({"type": "message", "kijun": {"provider": "p"}})];
    let upstream: Value = serde_json::from_slice(&request.upstream(&context, false)).unwrap();
    assert_eq!(
        upstream,
        json!({
            "model": "m", "input": context, "stream": false, "store": false,
            "include": ["message.output_text.logprobs", "reasoning.encrypted_content"],
            "instructions": "Be brief.", "new_field": {"deep": [1]},
        })
    );
}

#[test]
fn the_response_repeats_its_request_with_every_default() {
    let echo = Value::Object(parse(&with(json!({"store": false}))).unwrap().echo());
    assert_eq!(
        echo,
        json!({
            "background": false, "conversation": null, "frequency_penalty": 0.0,
            "instructions": null, "max_output_tokens": null, "max_tool_calls": null,
            "metadata": {}, "model": "m", "parallel_tool_calls": true, "presence_penalty": 0.0,
            "previous_response_id": null, "prompt": null, "prompt_cache_key": null,
            "prompt_cache_retention": null, "reasoning": {"effort": null, "summary": null},
            "safety_identifier": null, "service_tier": "default", "store": false,
            "temperature": 1.0, "text": {"format": {"type": "text"}, "verbosity": "medium"},
            "tool_choice": "auto", "tools": [], "top_logprobs": 0, "top_p": 1.0,
            "truncation": "disabled", "user": null,
        })
    );
}

#[test]
fn tools_and_formats_are_shown_whole_but_for_their_secrets() {
    let schema = json!({"type": "object"});
    let request = parse(&with(json!({
        "conversation": "conv_1",
        "reasoning": {"effort": "high"},
        "service_tier": "flex",
        "text": {"format": {"type": "json_schema", "name": "n", "schema": schema}},
        "tools": [
            {"type": "function", "name": "f"},
            {"type": "mcp", "server_label": "s", "authorization": "secret", "headers": {"a": "secret"}},
            {"type": "custom", "name": "patch"},
        ],
    })))
    .unwrap();
    let echo = request.echo();
    assert_eq!(echo["conversation"], json!({"id": "conv_1"}));
    assert_eq!(echo["reasoning"], json!({"effort": "high", "summary": null}));
    assert_eq!(echo["service_tier"], "flex");
    assert_eq!(
        echo["text"]["format"],
        json!({"type": "json_schema", "name": "n", "description": null, "schema": schema,
            "strict": false})
    );
    assert_eq!(
        echo["tools"],
        json!([
            {"type": "function", "name": "f", "description": null, "parameters": null,
                "strict": null},
            {"type": "mcp", "server_label": "s"},
            {"type": "custom", "name": "patch"},
        ])
    );
    assert_eq!(request.custom_tools(), ["patch"]);
    assert!(request.tool_names().custom.contains("patch"));
    assert_eq!(request.strict_schema(), None);
    let strict = parse(&with(json!({"text": {"format":
        {"type": "json_schema", "name": "n", "schema": schema, "strict": true}}})));
    assert_eq!(strict.unwrap().strict_schema(), Some(&schema));
}
