use super::*;

use Operation::{ChatCompletions, Completions, Embeddings, Moderations};

fn parse_text(operation: Operation, body: &str) -> Result<Envelope, ErrorBody> {
    Envelope::parse(operation, &Bytes::copy_from_slice(body.as_bytes()))
}

/// A chat whose body has these fields too.
fn chat(fields: &str) -> Result<Envelope, ErrorBody> {
    let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}]{fields}}}"#);
    parse_text(ChatCompletions, &body)
}

#[test]
fn the_envelope_says_what_the_gateway_needs() {
    let envelope = chat(
        r#","stream":true,"stream_options":{"include_usage":true},"user":"u","n":3,
        "safety_identifier":"s","prompt_cache_key":"k","max_tokens":9,"max_completion_tokens":5"#,
    )
    .expect("valid");
    assert_eq!(&*envelope.model, "m");
    assert!(envelope.stream && envelope.include_usage);
    assert_eq!(envelope.end_user.as_deref(), Some("s"));
    assert_eq!(envelope.prompt_cache_key.as_deref(), Some("k"));
    assert_eq!((envelope.max_output_tokens, envelope.choices), (Some(5), 3));

    let plain = chat(r#","user":"u","max_tokens":9"#).expect("valid");
    assert!(!plain.stream && !plain.include_usage);
    assert_eq!(plain.end_user.as_deref(), Some("u"));
    assert_eq!((plain.max_output_tokens, plain.choices), (Some(9), 1));
}

#[test]
fn null_is_as_good_as_absent() {
    let nulls = chat(
        r#","stream":null,"stream_options":null,"n":null,"temperature":null,"top_p":null,
        "max_tokens":null,"max_completion_tokens":null,"tools":null,"response_format":null,
        "user":null,"safety_identifier":null,"prompt_cache_key":null"#,
    );
    let Envelope { splice: _, input_bytes, .. } = nulls.clone().expect("valid");
    let plain = chat("").expect("valid");
    assert_eq!(input_bytes, plain.input_bytes);
    assert_eq!(Envelope { splice: plain.splice.clone(), ..nulls.expect("valid") }, plain);
}

#[test]
fn an_image_counts_as_tokens_not_as_base64() {
    let body = |part: &str| {
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":[{part}]}}]}}"#)
    };
    let data = "A".repeat(1_000_000);
    let image = body(&format!(r#"{{"type":"image_url","image_url":{{"url":"data:{data}"}}}}"#));
    assert!(parse_text(ChatCompletions, &image).expect("valid").input_bytes < 5_000);
    let text = body(&format!(r#"{{"type":"text","text":"{data}"}}"#));
    assert!(parse_text(ChatCompletions, &text).expect("valid").input_bytes > 1_000_000);
}

#[test]
fn mistakes_in_a_chat_name_their_field() {
    for (fields, param, code) in [
        (r#","stream":1"#, "stream", "invalid_type"),
        (r#","stream":"true""#, "stream", "invalid_type"),
        (r#","n":0"#, "n", "integer_below_min_value"),
        (r#","n":129"#, "n", "integer_above_max_value"),
        (r#","n":1.5"#, "n", "invalid_type"),
        (r#","n":"1""#, "n", "invalid_type"),
        (r#","n":99999999999999999999999999999999999999999999"#, "n", "integer_above_max_value"),
        (r#","temperature":-0.1"#, "temperature", "decimal_below_min_value"),
        (r#","temperature":2.1"#, "temperature", "decimal_above_max_value"),
        (r#","temperature":"1""#, "temperature", "invalid_type"),
        (r#","top_p":1.1"#, "top_p", "decimal_above_max_value"),
        (r#","top_p":true"#, "top_p", "invalid_type"),
        (r#","max_tokens":0"#, "max_tokens", "integer_below_min_value"),
        (r#","max_tokens":-5"#, "max_tokens", "integer_below_min_value"),
        (r#","max_completion_tokens":1.0"#, "max_completion_tokens", "invalid_type"),
        (r#","stream":true,"stream_options":1"#, "stream_options", "invalid_type"),
        (
            r#","stream":true,"stream_options":{"include_usage":1}"#,
            "stream_options.include_usage",
            "invalid_type",
        ),
        (r#","tools":{}"#, "tools", "invalid_type"),
        (r#","response_format":"json""#, "response_format", "invalid_type"),
        (r#","user":1"#, "user", "invalid_type"),
        (r#","model":"other""#, "model", "duplicate_field"),
        (r#","messages":[]"#, "messages", "duplicate_field"),
    ] {
        let error = chat(fields).expect_err(fields);
        assert_eq!(error.kind, "invalid_request_error");
        assert_eq!(error.param.as_deref(), Some(param), "{fields}: {}", error.message);
        assert_eq!(error.code.as_deref(), Some(code), "{fields}: {}", error.message);
    }
    let error = chat(r#","temperature":3"#).expect_err("too hot");
    let message = "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but \
                   got 3 instead.";
    assert_eq!(error.message, message);
    for options in ["{}", r#"{"include_usage":true}"#] {
        let error = chat(&format!(r#","stream_options":{options}"#)).expect_err("no stream");
        assert_eq!(error.param.as_deref(), Some("stream_options"));
    }
}

#[test]
fn mistakes_in_the_required_fields_name_them() {
    let message = r#"{"role":"user","content":"hi"}"#;
    for (body, param) in [
        (format!(r#"{{"messages":[{message}]}}"#), "model"),
        (format!(r#"{{"model":null,"messages":[{message}]}}"#), "model"),
        (format!(r#"{{"model":"","messages":[{message}]}}"#), "model"),
        (format!(r#"{{"model":7,"messages":[{message}]}}"#), "model"),
        (format!(r#"{{"model":"{}","messages":[{message}]}}"#, "m".repeat(2_000)), "model"),
        (r#"{"model":"m"}"#.to_owned(), "messages"),
        (r#"{"model":"m","messages":null}"#.to_owned(), "messages"),
        (r#"{"model":"m","messages":[]}"#.to_owned(), "messages"),
        (r#"{"model":"m","messages":"hi"}"#.to_owned(), "messages"),
        (format!(r#"{{"model":"m","messages":[{message},"hi"]}}"#), "messages[1]"),
        (format!(r#"{{"model":"m","messages":[{message},["user","hi"]]}}"#), "messages[1]"),
        (format!(r#"{{"model":"m","messages":[{message},{{}}]}}"#), "messages[1].role"),
        (format!(r#"{{"model":"m","messages":[{{"role":5}},{message}]}}"#), "messages[0].role"),
    ] {
        let error = parse_text(ChatCompletions, &body).expect_err(&body);
        assert_eq!(error.param.as_deref(), Some(param), "{body}: {}", error.message);
    }
}

#[test]
fn inputs_of_the_other_operations_are_checked() {
    for (operation, body, param) in [
        (Embeddings, r#"{"model":"m","input":"a"}"#, None),
        (Embeddings, r#"{"model":"m","input":["a","b"]}"#, None),
        (Embeddings, r#"{"model":"m","input":[1,2]}"#, None),
        (Embeddings, r#"{"model":"m","input":[[1],[2,3]]}"#, None),
        (Embeddings, r#"{"model":"m"}"#, Some("input")),
        (Embeddings, r#"{"model":"m","input":[]}"#, Some("input")),
        (Embeddings, r#"{"model":"m","input":{}}"#, Some("input")),
        (Embeddings, r#"{"model":"m","input":["a",{}]}"#, Some("input[1]")),
        (Embeddings, r#"{"model":"m","input":[-1]}"#, Some("input[0]")),
        (Embeddings, r#"{"model":"m","input":[[1],[]]}"#, Some("input[1]")),
        (Embeddings, r#"{"model":"m","input":[[1,"a"]]}"#, Some("input[0][1]")),
        (Moderations, r#"{"input":"a"}"#, None),
        (Moderations, r#"{"model":"m","input":[{"type":"text","text":"a"}]}"#, None),
        (Moderations, r#"{"model":"m","input":[1]}"#, Some("input[0]")),
        (Completions, r#"{"model":"m"}"#, None),
        (Completions, r#"{"model":"m","prompt":"a","max_tokens":0}"#, None),
        (Completions, r#"{"model":"m","prompt":["a"]}"#, None),
        (Completions, r#"{"model":"m","prompt":7}"#, Some("prompt")),
    ] {
        let error = parse_text(operation, body).err();
        let at = error.as_ref().and_then(|error| error.param.as_deref());
        assert_eq!((at, error.is_some()), (param, param.is_some()), "{body}: {error:?}");
    }
    let moderation = parse_text(Moderations, r#"{"input":"a"}"#).expect("valid");
    assert_eq!(&*moderation.model, DEFAULT_MODERATION_MODEL);
}

#[test]
fn what_is_no_json_object_is_told_where() {
    for (body, part) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("{\"model\":\"m\",\n}", "trailing comma at line 2 column 1"),
        ("{\"model\":'m'}", "expected value at line 1 column 10"),
        ("{} {}", "trailing characters at line 1 column 4"),
        ("[1]", "must be a JSON object"),
        (" \"text\"", "must be a JSON object"),
        ("model=m", "expected value at line 1 column 1"),
    ] {
        let error = parse_text(ChatCompletions, body).expect_err(body);
        assert!(error.message.contains(part), "{body}: {}", error.message);
    }
    let error = Envelope::parse(ChatCompletions, &Bytes::from_static(b"{\"model\":\"\xff\"}"));
    assert!(error.expect_err("no UTF-8").message.contains("UTF-8 at byte 10"));
}

#[test]
fn deep_nesting_is_refused() {
    let nested = |depth: usize| format!(r#","x":{}{}"#, "[".repeat(depth), "]".repeat(depth));
    assert!(chat(&nested(99)).is_ok());
    assert!(chat(&nested(100)).is_err());
    assert!(chat(&format!(r#","x":{}"#, "[{\"a\":".repeat(1_000_000))).is_err());
    assert!(chat(&format!(r#","x":"\\\"{}""#, "[".repeat(1_000))).is_ok());
}

#[test]
fn the_splice_leaves_every_other_byte() {
    let usage = r#""include_usage":true"#;
    for (body, expected) in [
        (
            r#"{ "model" : "a\u0062" , "stream":true, "é":1.00}"#.to_owned(),
            format!(
                r#"{{"stream_options":{{{usage}}}, "model" : "up\"x" , "stream":true, "é":1.00}}"#
            ),
        ),
        (
            r#"{"stream":true,"stream_options":null,"model":"a"}"#.to_owned(),
            format!(r#"{{"stream":true,"stream_options":{{{usage}}},"model":"up\"x"}}"#),
        ),
        (
            r#"{"stream":true,"stream_options":{ },"model":"a"}"#.to_owned(),
            format!(r#"{{"stream":true,"stream_options":{{{usage} }},"model":"up\"x"}}"#),
        ),
        (
            r#"{"stream":true,"model":"a","stream_options":{"include_obfuscation":false}}"#
                .to_owned(),
            format!(
                r#"{{"stream":true,"model":"up\"x","stream_options":{{{usage},"include_obfuscation":false}}}}"#
            ),
        ),
        (
            r#"{"stream":true,"model":"a","stream_options":{"x":1,"include_usage":false}}"#
                .to_owned(),
            r#"{"stream":true,"model":"up\"x","stream_options":{"x":1,"include_usage":true}}"#
                .to_owned(),
        ),
        (
            r#"{"stream":true,"stream_options":{"include_usage":true},"model":"a"}"#.to_owned(),
            r#"{"stream":true,"stream_options":{"include_usage":true},"model":"up\"x"}"#.to_owned(),
        ),
        (
            r#"{"model":"a","x":{"model":"b"}}"#.to_owned(),
            r#"{"model":"up\"x","x":{"model":"b"}}"#.to_owned(),
        ),
        (r#"{"input":"a"}"#.to_owned(), r#"{"model":"up\"x","input":"a"}"#.to_owned()),
        (r#"{"model":null}"#.to_owned(), r#"{"model":"up\"x"}"#.to_owned()),
        ("{ }".to_owned(), r#"{"model":"up\"x" }"#.to_owned()),
    ] {
        let body = Bytes::from(body);
        assert_eq!(rewrite(&body, "up\"x", true).expect("an object"), expected);
    }
    let body = Bytes::from_static(br#"{"model":"a","stream":true}"#);
    let same = rewrite(&body, "a", false).expect("an object");
    assert_eq!(same.as_ptr(), body.as_ptr());
    assert!(rewrite(&Bytes::from_static(b"[]"), "a", false).is_err());
}

#[test]
fn both_ways_to_rewrite_agree() {
    for fields in ["", r#","stream":true"#, r#","stream":true,"stream_options":{"a":1}"#] {
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user"}}]{fields}}}"#);
        let body = Bytes::from(body);
        let envelope = Envelope::parse(ChatCompletions, &body).expect("valid");
        for ask in [false, true] {
            let rewritten = rewrite(&body, "up", ask).expect("an object");
            assert_eq!(envelope.for_upstream(&body, "up", ask), rewritten);
        }
    }
}

#[test]
fn every_prompt_and_every_choice_is_written() {
    let choices = |operation, fields: &str| {
        parse_text(operation, &format!(r#"{{"model":"m",{fields}}}"#)).expect("valid").choices
    };
    for (fields, expected) in [
        (r#""prompt":"a""#, 1),
        (r#""prompt":[1,2,3]"#, 1),
        (r#""prompt":["a","b"]"#, 2),
        (r#""prompt":[[1,2],[3]],"n":3"#, 6),
        (r#""prompt":["a"],"n":2,"best_of":5"#, 5),
        (r#""n":2"#, 2),
    ] {
        assert_eq!(choices(Completions, fields), expected, "{fields}");
    }
    let chat = r#""messages":[{"role":"user","content":"a"}],"n":4,"best_of":9"#;
    assert_eq!(choices(ChatCompletions, chat), 4);
}

#[test]
fn an_address_of_an_image_counts_as_an_image() {
    let part = |part: &str| {
        let messages = format!(r#"[{{"role":"user","content":[{part}]}}]"#);
        let body = format!(r#"{{"model":"m","messages":{messages}}}"#);
        parse_text(ChatCompletions, &body).expect("valid").input_bytes
    };
    let image = part(r#"{"type":"image_url","image_url":{"url":"a:"}}"#);
    assert!(image > 3_000, "{image}");
    assert!(part(r#"{"type":"refusal","refusal":"no"}"#) < 100);
}

#[test]
fn another_tier_is_asked_for_in_place() {
    let replaced = |body: &str| {
        let body = Bytes::copy_from_slice(body.as_bytes());
        replace_tier(&body, "default").map(|body| String::from_utf8(body.to_vec()).expect("text"))
    };
    let asked = r#"{"a": 1, "service_tier" : "priority","z":"priority"}"#;
    let changed = r#"{"a": 1, "service_tier" : "default","z":"priority"}"#;
    assert_eq!(replaced(asked).expect("an object"), changed);
    let silent = r#"{"model":"m"}"#;
    assert_eq!(replaced(silent).expect("an object"), silent);
    assert!(replaced("[]").is_err());
}
