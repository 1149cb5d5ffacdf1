//! What a response does beside reading: waiting, holding text back, ending before its time.

use serde_json::{Value, json};
use wire::error::ErrorBody;
use wire::responses::{Ending, Event, Source, Synthesis};

use super::grammar::check;
use super::{CONCLUDED, lost, synthesis};

fn chunk(delta: &Value) -> Vec<u8> {
    let chunk = json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] });
    format!("data: {chunk}\n\n").into_bytes()
}

fn say(synthesis: &mut Synthesis, delta: &Value) -> Vec<Event> {
    synthesis.read(Source::Chat, &chunk(delta)).unwrap()
}

fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.kind.as_ref()).collect()
}

#[test]
fn a_response_that_waits_is_created_once() {
    let mut synthesis = synthesis();
    let mut events = synthesis.queued();
    assert_eq!(kinds(&events), ["response.created", "response.queued"]);
    assert!(events.iter().all(|event| event.body["response"]["status"] == "queued"));
    let begun = synthesis.begin();
    assert_eq!(kinds(&begun), ["response.in_progress"]);
    events.extend(begun);
    events.extend(say(&mut synthesis, &json!({ "content": "a" })));
    events.extend(synthesis.conclude(Ending::Said, CONCLUDED));
    check(&events);
}

#[test]
fn a_response_that_waits_can_be_cancelled() {
    let mut synthesis = synthesis();
    let mut events = synthesis.queued();
    events.extend(synthesis.conclude(Ending::Cancelled, CONCLUDED));
    assert_eq!(check(&events)["status"], "cancelled");
}

#[test]
fn text_that_is_held_back_can_be_replaced_until_it_is_told() {
    let mut synthesis = synthesis();
    let mut events = synthesis.begin();
    synthesis.hold_text();
    events.extend(say(&mut synthesis, &json!({ "reasoning": "hm" })));
    let told = say(&mut synthesis, &json!({ "content": "{\"a\":" }));
    assert_eq!(
        kinds(&told),
        ["response.reasoning_text.done", "response.content_part.done", "response.output_item.done"]
    );
    events.extend(told);
    assert_eq!(synthesis.output()[1]["content"][0]["text"], "{\"a\":");
    synthesis.replace_text("{\"a\":1}".to_owned());
    events.extend(synthesis.conclude(Ending::Said, CONCLUDED));
    let response = check(&events);
    assert_eq!(response["output"][1]["content"][0]["text"], "{\"a\":1}");
    assert_eq!(response["output"][1]["status"], "completed");
}

#[test]
fn text_of_a_whole_answer_can_be_replaced_and_text_that_was_heard_cannot() {
    let answer =
        json!({ "choices": [{ "message": { "content": "old" }, "finish_reason": "stop" }] });
    let mut whole = synthesis();
    whole.whole(Source::Chat, answer.to_string().as_bytes()).unwrap();
    whole.replace_text("new".to_owned());
    whole.conclude(Ending::Said, CONCLUDED);
    assert_eq!(whole.output()[0]["content"][0]["text"], "new");

    let mut heard = synthesis();
    let mut events = heard.begin();
    events.extend(say(&mut heard, &json!({ "content": "old" })));
    heard.replace_text("new".to_owned());
    events.extend(heard.conclude(Ending::Said, CONCLUDED));
    assert_eq!(check(&events)["output"][0]["content"][0]["text"], "old");
}

#[test]
fn a_whole_answer_can_be_told_in_events() {
    let answer = json!({ "choices": [{ "message": {
        "reasoning": "hm", "content": "text", "tool_calls": [
            { "id": "call_1", "function": { "name": "f", "arguments": "{}" } },
            { "id": "call_2", "function": { "name": "f", "arguments": "{}" } }],
    }, "finish_reason": "tool_calls" }] });
    let mut synthesis = synthesis();
    let mut events = synthesis.begin();
    synthesis.whole(Source::Chat, answer.to_string().as_bytes()).unwrap();
    events.extend(synthesis.conclude(Ending::Said, CONCLUDED));
    let response = check(&events);
    let types = response["output"].as_array().unwrap().iter().map(|item| item["type"].as_str());
    let expected = ["reasoning", "message", "function_call", "function_call"];
    assert!(types.eq(expected.map(Some)));
}

#[test]
fn what_is_cut_off_is_incomplete_and_whole_calls_are_not() {
    for (ending, status, event) in [
        (Ending::Cancelled, "cancelled", "response.incomplete"),
        (Ending::Incomplete("max_output_tokens"), "incomplete", "response.incomplete"),
        (Ending::Failed(lost()), "failed", "response.failed"),
    ] {
        let mut synthesis = synthesis();
        let mut events = synthesis.begin();
        let call = |index: u64, arguments: &str| {
            json!({ "tool_calls": [{ "index": index, "id": format!("call_{index}"),
                "function": { "name": "f", "arguments": arguments } }] })
        };
        events.extend(say(&mut synthesis, &call(0, "{\"a\":1}")));
        events.extend(say(&mut synthesis, &call(1, "{\"a\":")));
        events.extend(synthesis.conclude(ending, CONCLUDED));
        assert_eq!(events.last().unwrap().kind, event);
        let response = check(&events);
        assert_eq!(response["status"], status);
        assert_eq!(response["output"][0]["status"], "completed");
        assert_eq!(response["output"][1]["status"], "incomplete");
        assert!(synthesis.conclude(Ending::Said, CONCLUDED).is_empty(), "it ends once");
    }
}

#[test]
fn usage_that_was_not_told_can_be_set() {
    let mut synthesis = synthesis();
    assert!(synthesis.usage_missing());
    let usage = kernel::Usage { input: 1, output: 2, ..kernel::Usage::default() };
    synthesis.set_usage(&usage);
    assert!(!synthesis.usage_missing());
    assert_eq!(synthesis.usage(), Some(usage));
    assert_eq!(synthesis.response()["usage"]["total_tokens"], 3);
}

#[test]
fn a_number_that_is_taken_is_not_given_again() {
    let mut synthesis = synthesis();
    assert_eq!(synthesis.begin().last().unwrap().sequence_number, 1);
    assert_eq!(synthesis.next_sequence(), 2);
    let event = wire::responses::error_event(&ErrorBody::invalid_request("no"), 2);
    assert_eq!(event.body["sequence_number"], 2);
    assert_eq!(say(&mut synthesis, &json!({ "content": "a" }))[0].sequence_number, 3);
}

#[test]
fn what_is_no_answer_is_refused() {
    for (source, raw) in [
        (Source::Chat, "data: no json\n\n"),
        (Source::Chat, "data: [1]\n\n"),
        (Source::Chat, "data: \"html\"\n\n"),
        (Source::Native, "event: response.created\ndata: <html>\n\n"),
    ] {
        let refused = synthesis().read(source, raw.as_bytes()).unwrap_err();
        assert!(!refused.to_string().contains("html"), "content stays out of errors");
    }
    for (source, document) in [
        (Source::Chat, "{\"choices\":[]}"),
        (Source::Chat, "[]"),
        (Source::Native, "{\"id\":\"resp_1\"}"),
    ] {
        assert!(synthesis().whole(source, document.as_bytes()).is_err(), "{document}");
    }
    for nothing in [": ping\n\n", "event: x\n\n", "\n"] {
        assert_eq!(synthesis().read(Source::Chat, nothing.as_bytes()).unwrap(), Vec::new());
    }
}

#[test]
fn a_whole_failed_response_is_an_error() {
    let failed = json!({ "status": "failed", "output": [],
        "error": { "code": "rate_limit_exceeded", "message": "slow down" } });
    let mut synthesis = synthesis();
    synthesis.whole(Source::Native, failed.to_string().as_bytes()).unwrap();
    assert_eq!(synthesis.upstream_error().unwrap().message, "slow down");
    synthesis.conclude(Ending::Said, CONCLUDED);
    assert_eq!(synthesis.response()["status"], "failed");
    assert_eq!(synthesis.response()["error"]["code"], "rate_limit_exceeded");
}

#[test]
fn a_provider_that_said_nothing_has_not_answered() {
    for source in [Source::Chat, Source::Native] {
        let mut synthesis = synthesis();
        synthesis.begin();
        synthesis.read(source, b"data: [DONE]\n\n").unwrap();
        let last = synthesis.conclude(Ending::Said, 1).pop().unwrap();
        assert_eq!(last.kind, "response.failed", "{source:?}");
    }
}
