//! The answer side: what upstreams send becomes one response of ours and its events.

mod golden;
mod grammar;
mod shuffled;
mod turns;

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};
use wire::error::ErrorBody;
use wire::responses::{Opening, Synthesis, ToolNames};

/// When the responses of the tests end.
const CONCLUDED: i64 = 1_767_225_607;

/// The error of an upstream that broke off.
fn lost() -> ErrorBody {
    ErrorBody {
        message: "the provider's connection was lost in the middle of its answer".to_owned(),
        kind: "server_error".to_owned(),
        param: None,
        code: Some("server_error".to_owned()),
    }
}

/// A response whose ids are counted, and whose seals can be read.
fn synthesis() -> Synthesis {
    let mut count = 0;
    let mut synthesis = Synthesis::new(Opening {
        id: "resp_0192f0c1a2b3c4d5e6f708192a3b4c5d".to_owned(),
        created_at: 1_767_225_600,
        echo: echo(),
        tools: ToolNames {
            custom: HashSet::from(["patch".to_owned()]),
            namespaced: HashMap::from([(
                "git__log".to_owned(),
                ("git".to_owned(), "log".to_owned()),
            )]),
        },
        new_id: Box::new(move |prefix| {
            count += 1;
            format!("{prefix}{count:032}")
        }),
        seal: Box::new(|private| Some(format!("sealed({private})"))),
    });
    synthesis.answered_by("house");
    synthesis
}

/// What a response repeats of its request.
fn echo() -> Map<String, Value> {
    let echo = json!({
        "background": false, "instructions": null, "max_output_tokens": null, "metadata": {},
        "model": "house-model", "parallel_tool_calls": true, "previous_response_id": null,
        "service_tier": "auto", "store": true, "temperature": 1.0, "tool_choice": "auto",
        "tools": [], "top_p": 1.0, "truncation": "disabled",
    });
    match echo {
        Value::Object(echo) => echo,
        _ => Map::new(),
    }
}
