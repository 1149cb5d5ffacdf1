//! The grammar of a response's events, as the strictest clients hold it against them.

use std::collections::HashSet;

use serde_json::{Value, json};
use wire::responses::Event;

/// A part as a client puts it together.
struct Part {
    kind: &'static str,
    text: String,
    annotations: Vec<Value>,
    text_done: bool,
    done: bool,
}

/// An item as a client puts it together.
struct Item {
    added: Value,
    content: Vec<Part>,
    summary: Vec<Part>,
    argument: String,
    argument_done: bool,
    done: Option<Value>,
}

/// Asserts that these are all events of one response, in the order in which they must be. Returns
/// the last response.
pub(crate) fn check(events: &[Event]) -> Value {
    let mut items: Vec<Item> = Vec::new();
    let mut ids = HashSet::new();
    let mut last = Value::Null;
    for (at, event) in events.iter().enumerate() {
        let body = &event.body;
        let kind = event.kind.as_ref();
        assert_eq!(body["type"], kind);
        assert_eq!(event.sequence_number, at as u64, "the numbers have no gap");
        assert_eq!(body["sequence_number"], at as u64);
        assert_eq!(event.is_terminal(), at + 1 == events.len(), "{kind} at {at}");
        let queued = events.get(1).is_some_and(|event| event.kind == "response.queued");
        match (at, queued) {
            (0, _) => assert_eq!(kind, "response.created"),
            (1, false) | (2, true) if !event.is_terminal() => {
                assert_eq!(kind, "response.in_progress");
            }
            _ => {}
        }
        if let Some(response) = body.get("response") {
            check_response(response, &events[0].body["response"]["id"]);
            last = response.clone();
        }
        match kind {
            "response.output_item.added" => {
                assert_eq!(body["output_index"], items.len(), "indexes rise one by one");
                let id = body["item"]["id"].as_str().expect("an item has an id");
                assert!(ids.insert(id.to_owned()), "{id} is there twice");
                if let Some(call) = body["item"]["call_id"].as_str()
                    && matches!(
                        body["item"]["type"].as_str(),
                        Some("function_call" | "custom_tool_call")
                    )
                {
                    assert!(ids.insert(call.to_owned()), "{call} is there twice");
                }
                items.push(Item {
                    added: body["item"].clone(),
                    content: Vec::new(),
                    summary: Vec::new(),
                    argument: String::new(),
                    argument_done: false,
                    done: None,
                });
            }
            "response.created" | "response.queued" | "response.in_progress" | "error" => {}
            "response.completed" | "response.incomplete" | "response.failed" => {
                let done = items.iter().map(|item| item.done.clone().expect("all items are done"));
                assert_eq!(body["response"]["output"], Value::Array(done.collect()));
            }
            _ => check_item_event(kind, body, &mut items),
        }
    }
    assert!(events.last().is_some_and(Event::is_terminal));
    last
}

fn check_item_event(kind: &str, body: &Value, items: &mut [Item]) {
    let Some(index) = body["output_index"].as_u64() else {
        assert!(body.get("item_id").is_none(), "{kind} has an id and no index");
        return;
    };
    let item = &mut items[usize::try_from(index).unwrap()];
    assert!(item.done.is_none(), "{kind} after the item was done");
    let id = body.get("item_id").unwrap_or(&body["item"]["id"]);
    assert_eq!(id, &item.added["id"], "{kind} names another item");
    let (call, custom) = ("response.function_call_arguments", "response.custom_tool_call_input");
    if let Some(what) = kind.strip_prefix(call).or(kind.strip_prefix(custom)) {
        assert!(!item.argument_done);
        match what {
            ".delta" => item.argument.push_str(body["delta"].as_str().unwrap()),
            ".done" => {
                let whole = body.get("arguments").unwrap_or(&body["input"]);
                assert_eq!(whole, &item.argument);
                item.argument_done = true;
            }
            other => panic!("{other}"),
        }
    } else if kind == "response.output_item.done" {
        check_done(item, &body["item"]);
        item.done = Some(body["item"].clone());
    } else {
        check_part_event(kind, body, item);
    }
}

fn check_done(item: &Item, done: &Value) {
    let kind = done["type"].as_str().unwrap();
    let is_call = matches!(kind, "function_call" | "custom_tool_call");
    for field in ["id", "type", "call_id", "name"].iter().take(if is_call { 4 } else { 2 }) {
        assert_eq!(done[field], item.added[field], "{field} has changed");
        assert!(done[field].is_string());
    }
    assert!(item.content.iter().chain(&item.summary).all(|part| part.done));
    match kind {
        "message" => {
            assert_eq!(done["role"], "assistant");
            assert_eq!(item.added["content"], json!([]));
        }
        "reasoning" => assert_eq!(item.added["summary"], json!([])),
        "function_call" => assert_eq!(done["arguments"], item.argument.as_str()),
        "custom_tool_call" => assert_eq!(done["input"], item.argument.as_str()),
        _ => return,
    }
    if kind != "reasoning" {
        assert_eq!(item.added["status"], "in_progress");
        assert!(done["status"] == "completed" || done["status"] == "incomplete");
        assert_eq!(item.argument_done, kind != "message");
    }
    let lists: &[_] = match kind {
        "message" => &[(&item.content, "content")],
        "reasoning" => &[(&item.content, "content"), (&item.summary, "summary")],
        _ => &[],
    };
    for (parts, name) in lists {
        let said = done[*name].as_array().map(Vec::as_slice).unwrap_or_default();
        assert_eq!(said.len(), parts.len());
        for (said, part) in said.iter().zip(*parts) {
            check_part(said, part);
        }
    }
}

fn check_part(said: &Value, part: &Part) {
    let text = if part.kind == "refusal" { &said["refusal"] } else { &said["text"] };
    if part.kind != "other" {
        assert_eq!(said["type"], part.kind);
        assert_eq!(text, &part.text);
    }
    if part.kind == "output_text" {
        assert_eq!(said["annotations"], Value::Array(part.annotations.clone()));
        assert!(said["logprobs"].is_array());
    }
}

fn check_part_event(kind: &str, body: &Value, item: &mut Item) {
    let kind = kind.strip_prefix("response.").unwrap();
    let summary = kind.starts_with("reasoning_summary");
    let (list, index) = if summary {
        (&mut item.summary, &body["summary_index"])
    } else {
        (&mut item.content, &body["content_index"])
    };
    if matches!(kind, "content_part.added" | "reasoning_summary_part.added") {
        assert_eq!(index, list.len(), "parts are counted one by one");
        let kind = match (&item.added["type"], body["part"]["type"].as_str().unwrap()) {
            (item, "output_text") if item == "message" => "output_text",
            (item, "refusal") if item == "message" => "refusal",
            (item, "reasoning_text") if item == "reasoning" => "reasoning_text",
            (_, "summary_text") if summary => "summary_text",
            _ => "other",
        };
        list.push(Part {
            kind,
            text: String::new(),
            annotations: Vec::new(),
            text_done: kind == "other",
            done: false,
        });
        return;
    }
    let part_kind = match kind.rsplit_once('.').map_or(kind, |(of, _)| of) {
        "output_text" | "output_text.annotation" => "output_text",
        "refusal" => "refusal",
        "reasoning_text" => "reasoning_text",
        "reasoning_summary_text" => "summary_text",
        "content_part" | "reasoning_summary_part" => "",
        // An event that passed.
        _ => return,
    };
    let index = index.as_u64().expect("events of parts have an index");
    let part = &mut list[usize::try_from(index).unwrap()];
    assert!(!part.done, "{kind} after the part was done");
    assert!(part_kind.is_empty() || part.kind == part_kind, "{kind} on a {}", part.kind);
    match kind.rsplit_once('.').unwrap().1 {
        "delta" => {
            assert!(!part.text_done);
            part.text.push_str(body["delta"].as_str().unwrap());
            assert!(part_kind != "output_text" || body["logprobs"].is_array());
        }
        "added" => {
            assert!(!part.text_done);
            assert_eq!(body["annotation_index"], part.annotations.len());
            part.annotations.push(body["annotation"].clone());
        }
        "done" if part_kind.is_empty() => {
            assert!(part.text_done, "the text is done before its part");
            check_part(&body["part"], part);
            part.done = true;
        }
        "done" => {
            assert!(!part.text_done);
            let whole = body.get("text").unwrap_or(&body["refusal"]);
            assert_eq!(whole, &part.text);
            part.text_done = true;
        }
        other => panic!("{other}"),
    }
}

/// The fields around the output.
fn check_response(response: &Value, id: &Value) {
    assert_eq!(&response["id"], id, "one response has one id");
    assert_eq!(response["object"], "response");
    let response = response.as_object().unwrap();
    let explicit = ["completed_at", "error", "incomplete_details", "usage", "created_at", "output"];
    assert!(explicit.iter().all(|name| response.contains_key(*name)), "nulls are explicit");
    let status = response["status"].as_str().unwrap();
    assert_eq!(status == "completed", !response["completed_at"].is_null());
    assert_eq!(status == "failed", !response["error"].is_null());
    assert_eq!(status == "incomplete", !response["incomplete_details"].is_null());
    if let Some(usage) = response["usage"].as_object() {
        assert!(usage["input_tokens_details"]["cached_tokens"].is_u64());
        assert!(usage["input_tokens_details"]["cache_write_tokens"].is_u64());
        assert!(usage["output_tokens_details"]["reasoning_tokens"].is_u64());
        assert!(usage["total_tokens"].is_u64());
    }
}
