//! `truncation: "auto"`: a context that is too long for the model is asked again without its
//! oldest part.

use std::collections::HashSet;

use gateway::Refusal;
use serde_json::Value;

/// Whether the provider refused because the context is longer than the model can read.
pub(crate) fn is_too_long(refusal: &Refusal) -> bool {
    let Refusal::Upstream(_) = refusal else { return false };
    let error = refusal.error();
    if error.code.as_deref() == Some("context_length_exceeded") {
        return true;
    }
    // Servers that have no code for it have words.
    let message = error.message.to_lowercase();
    let words = ["context length", "context window", "context size", "maximum context", "too long"];
    matches!(refusal.status(), 400 | 413) && words.iter().any(|word| message.contains(word))
}

/// Drops the older half of what is neither an instruction nor the newest; false if nothing can be
/// dropped any more.
pub(crate) fn shorten(items: &mut Vec<Value>) -> bool {
    let droppable: Vec<usize> = {
        let asks = |item: &Value| text(item, "role") == Some("user");
        let newest = items.iter().rposition(asks).unwrap_or(items.len().saturating_sub(1));
        let kept = |item: &Value| matches!(text(item, "role"), Some("system" | "developer"));
        let places = items.iter().enumerate();
        places.filter(|(at, item)| *at < newest && !kept(item)).map(|(at, _)| at).collect()
    };
    if droppable.is_empty() {
        return false;
    }
    let dropped: HashSet<usize> =
        droppable.iter().take(droppable.len().div_ceil(2)).copied().collect();
    let mut at = 0;
    items.retain(|_| {
        at += 1;
        !dropped.contains(&(at - 1))
    });
    drop_results_without_calls(items);
    true
}

/// A tool's result means nothing without its call.
fn drop_results_without_calls(items: &mut Vec<Value>) {
    let is = |item: &Value, end: &str| text(item, "type").is_some_and(|kind| kind.ends_with(end));
    let calls: HashSet<String> = items
        .iter()
        .filter(|item| is(item, "_call"))
        .filter_map(|item| text(item, "call_id").map(str::to_owned))
        .collect();
    items.retain(|item| {
        !is(item, "_call_output") || text(item, "call_id").is_some_and(|id| calls.contains(id))
    });
}

fn text<'a>(item: &'a Value, field: &str) -> Option<&'a str> {
    item.get(field)?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(role: &str, text: &str) -> Value {
        json!({"type": "message", "role": role, "content": text})
    }

    #[test]
    fn the_oldest_goes_first_and_instructions_stay() {
        let mut items = vec![
            message("developer", "rules"),
            message("user", "1"),
            json!({"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}),
            json!({"type": "function_call_output", "call_id": "a", "output": "x"}),
            message("user", "2"),
        ];
        assert!(shorten(&mut items));
        // The call is gone, and so is its result.
        assert_eq!(items, [message("developer", "rules"), message("user", "2")]);
        assert!(!shorten(&mut items));
    }
}
