//! What an entry tells under the name of its event, in OpenAI's shape where it has the event.

use serde_json::{Map, Value, json};

/// What happened to the thing of this id.
pub(super) fn of(event: &str, id: Option<&str>, details: &Map<String, Value>) -> Value {
    let after = || details.get("after").cloned().unwrap_or_else(|| json!({}));
    match event.rsplit_once('.').map(|(_, verb)| verb) {
        Some("created") => json!({"id": id, "data": official(event, after())}),
        Some("updated") => json!({"id": id, "changes_requested": official(event, after())}),
        _ => json!({ "id": id }),
    }
}

/// Our fields with OpenAI's beside them, where it has others.
fn official(event: &str, mut data: Value) -> Value {
    let field = |data: &Value, name: &str| data.get(name).cloned();
    let added = match event {
        // OpenAI's projects have a title beside the name; ours have one of the two.
        "project.created" | "project.updated" => {
            field(&data, "name").map(|name| ("title".to_owned(), name))
        }
        "service_account.created" => {
            let role = field(&data, "role").filter(|role| role == "admin");
            role.map(|_| ("role".to_owned(), "owner".into()))
        }
        "rate_limit.updated" => MEASURES
            .into_iter()
            .find_map(|(ours, official)| Some((official.to_owned(), field(&data, ours)?))),
        _ => None,
    };
    if let (Some((name, value)), Some(fields)) = (added, data.as_object_mut()) {
        fields.insert(name, value);
    }
    data
}

/// What a limit counts, and what OpenAI calls it.
const MEASURES: [(&str, &str); 3] = [
    ("requests_per_minute", "max_requests_per_1_minute"),
    ("requests_per_day", "max_requests_per_1_day"),
    ("tokens_per_minute", "max_tokens_per_1_minute"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn told(event: &str, details: &Value) -> Value {
        of(event, Some("thing_1"), details.as_object().unwrap())
    }

    #[test]
    fn each_event_is_told_in_its_own_way() {
        let made = told("project.created", &json!({"after": {"name": "A"}}));
        assert_eq!(made, json!({"data": {"name": "A", "title": "A"}, "id": "thing_1"}));
        let details = json!({"before": {"amount": 1}, "after": {"amount": 2}});
        let changed = told("kijun.budget.updated", &details);
        assert_eq!(changed, json!({"changes_requested": {"amount": 2}, "id": "thing_1"}));
        let gone = told("api_key.deleted", &json!({"before": {"name": "A"}}));
        assert_eq!(gone, json!({"id": "thing_1"}));
    }

    #[test]
    fn a_changed_limit_has_openais_names() {
        let after = json!({"tokens_per_minute": 9});
        let changed = told("rate_limit.updated", &json!({ "after": after }));
        assert_eq!(changed["changes_requested"]["max_tokens_per_1_minute"], 9);
    }
}
