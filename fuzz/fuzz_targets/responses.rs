//! Requests of the Responses API: read, told again, and turned into those of other APIs.

#![no_main]

use kijun_fuzz::{choice, is_json};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use wire::responses::{
    CreateRequest, chat_request, file_ids, inline_file, native_request, normalise, with_ids,
};

fuzz_target!(|data: &[u8]| {
    let (chosen, body) = choice(data);
    let parse =
        if chosen & 1 == 0 { CreateRequest::parse } else { CreateRequest::parse_for_counting };
    if let Ok(request) = parse(body) {
        let _ =
            (request.lint(), request.strict_schema(), request.custom_tools(), request.tool_names());
        let _ = request.echo();
        let sent = request.upstream(&[], chosen & 2 != 0);
        assert!(is_json(&sent));
        if let Ok(chat) = chat_request(&sent) {
            assert!(is_json(&chat));
        }
        if let Ok(native) = native_request(&sent, "house") {
            assert!(is_json(&native));
        }
    }
    if let Ok(chat) = chat_request(body) {
        assert!(is_json(&chat));
    }
    let Ok(Value::Array(mut items)) = serde_json::from_slice::<Value>(body) else { return };
    for id in file_ids(&items) {
        inline_file(&mut items, &id, "name", "data:text/plain;base64,");
    }
    assert!(file_ids(&items).is_empty(), "what is inlined is no longer named");
    with_ids(&mut items, &mut |prefix| format!("{prefix}1"));
    for item in items {
        if let Ok(normal) = normalise(item, "input[0]") {
            assert_eq!(normalise(normal.clone(), "input[0]"), Ok(normal), "once is enough");
        }
    }
});
