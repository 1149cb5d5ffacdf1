//! Whatever an upstream sends, in whatever order, nothing panics and the grammar holds.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use wire::responses::{Ending, Source};

use super::grammar::check;
use super::{CONCLUDED, lost, synthesis};

const IDS: &[&str] =
    &["", "a", "msg_0123456789abcdef", "fc_0123456789abcdef", "rs_0123456789abcdef"];
const NAMES: &[&str] = &["", "f", "g", "patch", "git__log"];
const TEXTS: &[&str] = &["", "a", "ab", "{\"input\":\"x\"}", "é\n"];

fn one_of(words: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop_oneof![
        8 => proptest::sample::select(words).prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<u8>().prop_map(Value::from),
    ]
}

fn small() -> impl Strategy<Value = Value> {
    prop_oneof![8 => (0..3_u64).prop_map(Value::from), 1 => Just(json!("0")), 1 => Just(json!(-1))]
}

/// An object with some of these fields.
fn some_of(fields: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let fields: Vec<_> = fields
        .into_iter()
        .map(|(name, value)| proptest::option::weighted(0.8, value).prop_map(move |v| (name, v)))
        .collect();
    let object = |fields: Vec<(&str, Option<Value>)>| {
        let said = fields.into_iter().filter_map(|(name, v)| Some((name.to_owned(), v?)));
        Value::Object(said.collect::<Map<_, _>>())
    };
    fields.prop_map(object).boxed()
}

fn list(of: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    prop::collection::vec(of, 0..3).prop_map(Value::from).boxed()
}

fn part() -> BoxedStrategy<Value> {
    let types: &[&str] =
        &["output_text", "refusal", "reasoning_text", "summary_text", "text", "new"];
    let annotations = list(Just(json!({ "type": "url_citation", "url": "u" })).boxed());
    some_of(vec![
        ("type", one_of(types).boxed()),
        ("text", one_of(TEXTS).boxed()),
        ("refusal", one_of(TEXTS).boxed()),
        ("annotations", annotations),
        ("logprobs", list(Just(json!({ "token": "a", "logprob": -1.0 })).boxed())),
        ("odd", small().boxed()),
    ])
}

fn item() -> BoxedStrategy<Value> {
    let types: &[&str] = &[
        "message",
        "reasoning",
        "function_call",
        "custom_tool_call",
        "web_search_call",
        "compaction",
    ];
    some_of(vec![
        ("type", one_of(types).boxed()),
        ("id", one_of(IDS).boxed()),
        ("call_id", one_of(IDS).boxed()),
        ("name", one_of(NAMES).boxed()),
        ("status", one_of(&["in_progress", "completed", "incomplete"]).boxed()),
        ("content", list(part())),
        ("summary", list(part())),
        ("arguments", one_of(TEXTS).boxed()),
        ("input", one_of(TEXTS).boxed()),
        ("encrypted_content", one_of(TEXTS).boxed()),
        ("role", one_of(&["user", "assistant"]).boxed()),
        ("kijun", small().boxed()),
    ])
}

fn native_event() -> BoxedStrategy<Value> {
    let types: &[&str] = &[
        "response.created",
        "response.output_item.added",
        "response.output_item.added",
        "response.output_item.done",
        "response.content_part.added",
        "response.content_part.done",
        "response.output_text.delta",
        "response.output_text.done",
        "response.output_text.annotation.added",
        "response.refusal.delta",
        "response.refusal.done",
        "response.reasoning_text.delta",
        "response.reasoning_text.done",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_part.done",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.custom_tool_call_input.delta",
        "response.custom_tool_call_input.done",
        "response.web_search_call.searching",
        "response.never.heard_of",
        "response.completed",
        "response.incomplete",
        "error\nevent: x",
    ];
    let response = some_of(vec![
        ("id", one_of(IDS).boxed()),
        ("output", list(item())),
        ("status", one_of(&["completed", "incomplete", "in_progress"]).boxed()),
        ("usage", Just(json!({ "input_tokens": 1, "output_tokens": 2 })).boxed()),
        ("tool_usage", small().boxed()),
    ]);
    some_of(vec![
        ("type", one_of(types).boxed()),
        ("item_id", one_of(IDS).boxed()),
        ("output_index", small().boxed()),
        ("content_index", small().boxed()),
        ("summary_index", small().boxed()),
        ("delta", one_of(TEXTS).boxed()),
        ("text", one_of(TEXTS).boxed()),
        ("refusal", one_of(TEXTS).boxed()),
        ("arguments", one_of(TEXTS).boxed()),
        ("input", one_of(TEXTS).boxed()),
        ("item", item()),
        ("part", part()),
        ("annotation", Just(json!({ "type": "file_path" })).boxed()),
        ("response", response),
        ("response_id", one_of(IDS).boxed()),
    ])
}

fn chat_chunk() -> BoxedStrategy<Value> {
    let function =
        some_of(vec![("name", one_of(NAMES).boxed()), ("arguments", one_of(TEXTS).boxed())]);
    let call = some_of(vec![
        ("index", small().boxed()),
        ("id", one_of(IDS).boxed()),
        ("function", function),
    ]);
    let detail = some_of(vec![
        ("type", one_of(&["reasoning.text", "reasoning.encrypted"]).boxed()),
        ("index", small().boxed()),
        ("text", one_of(TEXTS).boxed()),
    ]);
    let image = json!({ "image_url": { "url": "data:image/png;base64,AA==" } });
    let content = prop_oneof![
        3 => one_of(TEXTS).boxed(),
        1 => list(part()),
    ];
    // Most chunks say one thing only.
    let delta = prop_oneof![
        content.prop_map(|content| json!({ "content": content })),
        one_of(TEXTS).prop_map(|text| json!({ "reasoning": text })),
        one_of(TEXTS).prop_map(|text| json!({ "reasoning_content": text, "reasoning": text })),
        one_of(TEXTS).prop_map(|text| json!({ "refusal": text })),
        list(call).prop_map(|calls| json!({ "tool_calls": calls })),
        list(detail).prop_map(|details| json!({ "reasoning_details": details })),
        Just(json!({ "images": [image] })),
        Just(
            json!({ "annotations": [{ "type": "url_citation", "url_citation": { "url": "u" } }] })
        ),
    ];
    let reason = one_of(&["stop", "length", "content_filter", "tool_calls"]);
    (delta, proptest::option::weighted(0.1, reason))
        .prop_map(|(delta, reason)| {
            json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": reason }] })
        })
        .boxed()
}

fn anything() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), small()];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let names: &[&str] = &["choices", "delta", "type", "item", "part", "response", "output"];
        let field = (proptest::sample::select(names), inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            prop::collection::vec(field, 0..5).prop_map(|fields| {
                let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value));
                Value::Object(fields.collect::<Map<_, _>>())
            }),
        ]
    })
    .boxed()
}

fn event() -> BoxedStrategy<(Source, Value)> {
    prop_oneof![
        6 => native_event().prop_map(|event| (Source::Native, event)),
        6 => chat_chunk().prop_map(|chunk| (Source::Chat, chunk)),
        1 => anything().prop_map(|event| (Source::Native, event)),
        1 => anything().prop_map(|event| (Source::Chat, event)),
    ]
    .boxed()
}

fn tell(events: &[(Source, Value)], ending: Ending, hold: bool, queued: bool) {
    let mut synthesis = synthesis();
    let mut told = if queued { synthesis.queued() } else { Vec::new() };
    told.extend(synthesis.begin());
    if hold {
        synthesis.hold_text();
    }
    for (source, event) in events {
        // What is refused must leave everything in order, too.
        let read = synthesis.read(*source, format!("data: {event}\n\n").as_bytes());
        told.extend(read.unwrap_or_default());
    }
    if hold {
        synthesis.replace_text("{}".to_owned());
    }
    told.extend(synthesis.conclude(ending, CONCLUDED));
    let response = check(&told);
    assert_eq!(response, synthesis.response());
    assert_eq!(response["output"], Value::Array(synthesis.output()));
    assert!(!response["output"].to_string().contains("kijun"), "what is private stays here");
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![
        3 => Just(Ending::Said),
        1 => Just(Ending::Cancelled),
        1 => Just(Ending::Incomplete("max_output_tokens")),
        1 => Just(Ending::Failed(lost())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_grammar_holds_whatever_native_events_come(
        events in prop::collection::vec(native_event(), 0..24), ending in ending(),
        hold in any::<bool>(), queued in any::<bool>(),
    ) {
        let events: Vec<_> = events.into_iter().map(|event| (Source::Native, event)).collect();
        tell(&events, ending, hold, queued);
    }

    #[test]
    fn the_grammar_holds_whatever_chunks_come(
        chunks in prop::collection::vec(chat_chunk(), 0..24), ending in ending(),
        hold in any::<bool>(),
    ) {
        let chunks: Vec<_> = chunks.into_iter().map(|chunk| (Source::Chat, chunk)).collect();
        tell(&chunks, ending, hold, false);
    }

    #[test]
    fn the_grammar_holds_whatever_comes(
        events in prop::collection::vec(event(), 0..16), ending in ending(), hold in any::<bool>(),
    ) {
        tell(&events, ending, hold, false);
    }
}
