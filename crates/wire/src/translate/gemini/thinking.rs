//! `reasoning_effort` as Gemini's `thinkingConfig`, which differs by the model's generation.

use serde_json::{Value, json};

use crate::translate::chat::Effort;

/// Whether the model thinks by level: Gemini 3 and later. Names without a version are those of
/// models newer than this file.
pub(super) fn is_leveled(model: &str) -> bool {
    !["gemini-1", "gemini-2"].iter().any(|old| model.contains(old))
}

/// The `thinkingConfig` for an effort.
pub(super) fn config(effort: Effort, model: &str) -> Value {
    let include = effort != Effort::None;
    if !is_leveled(model) {
        let budget = budget(effort, model);
        return json!({ "includeThoughts": include, "thinkingBudget": budget });
    }
    let level = match effort {
        // The large models have no level below `low`; no model from Gemini 3 on can be told not
        // to think at all.
        Effort::None | Effort::Minimal if model.contains("pro") => "low",
        Effort::None | Effort::Minimal => "minimal",
        Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High | Effort::Xhigh | Effort::Max => "high",
    };
    json!({ "includeThoughts": include, "thinkingLevel": level })
}

/// Google's own table for its OpenAI-compatible endpoint.
fn budget(effort: Effort, model: &str) -> u32 {
    match effort {
        // 2.5 Pro always thinks; this is its least.
        Effort::None if model.contains("2.5-pro") => 128,
        Effort::None => 0,
        Effort::Minimal | Effort::Low => 1_024,
        Effort::Medium => 8_192,
        Effort::High | Effort::Xhigh | Effort::Max => 24_576,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_generation_gets_its_own_words() {
        assert_eq!(
            config(Effort::Medium, "models/gemini-2.5-flash"),
            json!({"includeThoughts": true, "thinkingBudget": 8_192})
        );
        assert_eq!(
            config(Effort::None, "gemini-2.5-flash"),
            json!({"includeThoughts": false, "thinkingBudget": 0})
        );
        assert_eq!(
            config(Effort::Minimal, "gemini-3-flash-preview"),
            json!({"includeThoughts": true, "thinkingLevel": "minimal"})
        );
        assert_eq!(
            config(Effort::None, "gemini-3.1-pro-preview"),
            json!({"includeThoughts": false, "thinkingLevel": "low"})
        );
    }
}
