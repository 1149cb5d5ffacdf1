use super::*;

/// What a client that did not ask for the usage sees of these events.
fn hidden(events: &[&str]) -> (StreamMeter, Vec<Forward>) {
    let mut meter = StreamMeter::new(false);
    let forwards = events.iter().map(|raw| meter.read(&Bytes::copy_from_slice(raw.as_bytes())));
    let forwards = forwards.collect();
    (meter, forwards)
}

fn edited(raw: &str) -> Forward {
    Forward::Edited(Bytes::copy_from_slice(raw.as_bytes()))
}

#[test]
fn a_stream_is_metered_and_its_usage_hidden() {
    let (meter, forwards) = hidden(&[
        ": ping\n\n",
        "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}],\"usage\":null}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"a\\n\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"é\"},\"finish_reason\":\"stop\"}]}\r\n\r\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n",
        "data: [DONE]\n\n",
    ]);
    assert_eq!(
        forwards,
        [
            Forward::AsIs,
            edited(
                "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n"
            ),
            Forward::AsIs,
            Forward::AsIs,
            Forward::Drop,
            Forward::AsIs,
        ]
    );
    assert_eq!(meter.usage(), Some(Usage { input: 5, output: 2, ..Usage::default() }));
    assert_eq!(meter.output().text, "a\né");
    assert_eq!(meter.finish_reasons(), ["stop"]);
    assert!(meter.is_done() && meter.has_output() && meter.error().is_none());
}

#[test]
fn a_client_that_asked_sees_every_byte() {
    let mut meter = StreamMeter::new(true);
    for raw in [
        "data: {\"choices\":[{\"delta\":{}}],\"usage\":null}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5}}\n\n",
    ] {
        assert_eq!(meter.read(&Bytes::from(raw)), Forward::AsIs);
    }
    assert_eq!(meter.usage(), Some(Usage { input: 5, ..Usage::default() }));
    assert!(!meter.has_output());
}

#[test]
fn only_the_usage_is_cut_wherever_it_stands() {
    for (raw, expected) in [
        ("data: {\"usage\":{\"a\":{}},\"choices\":[{}]}\n\n", "data: {\"choices\":[{}]}\n\n"),
        ("data:{ \"usage\" : null , \"choices\":[{}]}\n\n", "data:{  \"choices\":[{}]}\n\n"),
        ("data: {\"choices\":[{}] , \"usage\" : null }\r\r", "data: {\"choices\":[{}]  }\r\r"),
        (
            "data: {\"a\":1,\"usage\":{},\"choices\":[{}]}\n\n",
            "data: {\"a\":1,\"choices\":[{}]}\n\n",
        ),
        ("data: {\"usage\":null}\n\n", "data: {}\n\n"),
        ("data: {\"us\\u0061ge\":{\"a\":1}}\n\n", "data: {\"us\\u0061ge\":null}\n\n"),
        ("id: 7\ndata: {\"usage\":{}}\n\n", "id: 7\ndata: {}\n\n"),
        ("data: {\"a\":1,\ndata: \"usage\":{}}\n\n", "data: {\"a\":1}\n\n"),
        // Choices in a strange shape.
        ("data: {\"choices\":7,\"usage\":{}}\n\n", "data: {\"choices\":7}\n\n"),
    ] {
        assert_eq!(hidden(&[raw]).1, [edited(expected)], "{raw}");
    }
    // Azure's first event has no choices, and no usage to hide.
    for raw in [
        "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"\\\"usage\\\":null\"}}]}\n\n",
        "data: no JSON\n\n",
        "event: x\n\n",
    ] {
        assert_eq!(hidden(&[raw]).1, [Forward::AsIs], "{raw}");
    }
}

#[test]
fn the_last_usage_counts() {
    let (meter, _) = hidden(&[
        "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1}}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n",
        "data: {\"choices\":[{\"delta\":{}}],\"usage\":null}\n\n",
    ]);
    assert_eq!(meter.usage(), Some(Usage { input: 5, output: 2, ..Usage::default() }));
}

#[test]
fn all_that_a_model_writes_is_collected() {
    let (meter, _) = hidden(&[
        "data: {\"choices\":[{\"delta\":{\"reasoning\":\"r\",\"reasoning_content\":\"r\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"s\",\"content\":null}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"refusal\":\"no\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}},{\"custom\":{\"input\":\"i\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":[{\"type\":\"text\",\"text\":\"p\"},{\"type\":\"thinking\",\"thinking\":[{\"text\":\"q\"}]}]}}]}\n\n",
        "data: {\"choices\":[{\"text\":\"legacy\",\"finish_reason\":\"length\"}]}\n\n",
    ]);
    assert_eq!(meter.output().text, "rsnof{}ipqlegacy");
    assert_eq!(meter.finish_reasons(), ["length"]);
}

#[test]
fn an_error_inside_the_stream_is_noticed() {
    let raw =
        "event: error\ndata: {\"error\":{\"message\":\"m\",\"type\":\"overloaded_error\"}}\n\n";
    let (meter, forwards) = hidden(&["data: {\"error\":null}\n\n", raw]);
    assert_eq!(forwards, [Forward::AsIs, Forward::AsIs]);
    assert_eq!(meter.error().map(|error| &*error.kind), Some("overloaded_error"));
}

#[test]
fn output_beyond_the_bound_is_only_measured() {
    let piece = "x".repeat(3 << 20);
    let raw = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{piece}\"}}}}]}}\n\n");
    let (meter, _) = hidden(&[&raw, &raw, &raw]);
    assert_eq!(meter.output().text.len(), 6 << 20);
    assert_eq!(meter.output().more_bytes, 3 << 20);
}

#[test]
fn a_whole_answer_is_read() {
    let body = br#"{"choices":[{"message":{"role":"assistant","content":"hi"}},
        {"message":{"content":null,"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}}],
        "usage":{"prompt_tokens":3,"completion_tokens":1}}"#;
    let usage = Usage { input: 3, output: 1, ..Usage::default() };
    assert_eq!(read_whole(body), Ok(Some(usage)));
    assert_eq!(output_text(Operation::ChatCompletions, body).text, "hif{}");
    let legacy = br#"{"choices":[{"text":"ho"}]}"#;
    assert_eq!(read_whole(legacy), Ok(None));
    assert_eq!(output_text(Operation::Completions, legacy).text, "ho");
    let embeddings = br#"{"data":[{"embedding":[0.1]}],"usage":{"prompt_tokens":3}}"#;
    assert_eq!(read_whole(embeddings), Ok(Some(Usage { input: 3, ..Usage::default() })));
    assert!(output_text(Operation::Embeddings, embeddings).is_empty());
    for wrong in [&b"<html>"[..], b"[]", b"{} {}", b""] {
        assert_eq!(read_whole(wrong), Err(NotAnAnswer::NoObject));
    }
    assert_eq!(read_whole(br#"{"error":{"message":"no"}}"#), Err(NotAnAnswer::Error));
    for fine in [&br#"{"error":null,"choices":[]}"#[..], br#"{"error":{},"data":[]}"#, b"{}"] {
        assert_eq!(read_whole(fine), Ok(None));
    }
}
