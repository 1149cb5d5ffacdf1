//! `reasoning_effort` as Anthropic's thinking, which differs by the model's generation.

use serde_json::{Value, json};

use crate::translate::chat::Effort;

/// Sent as `max_tokens` where the client names no limit: Anthropic demands one. It is the largest
/// that every model from Claude 3.7 on accepts.
pub(super) const DEFAULT_MAX_TOKENS: u64 = 32_000;

/// The same for the models before Claude 3.7.
const OLD_DEFAULT_MAX_TOKENS: u64 = 4_096;

/// The smallest budget that Anthropic accepts.
const MIN_BUDGET: u64 = 1_024;

/// A model's version, read from its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Generation(u32, u32);

/// Names without a version are those of models newer than this file.
const NEWEST: Generation = Generation(u32::MAX, 0);
/// From here on the model decides how long to think, by effort.
const ADAPTIVE: Generation = Generation(4, 6);
/// From here on the effort has the step `xhigh`.
const FINE_EFFORT: Generation = Generation(4, 7);
/// From here on a model can think at all.
const THINKING: Generation = Generation(3, 7);

impl Generation {
    /// Reads `claude-3-7-sonnet-20250219`, `claude-opus-4-6`, `anthropic/claude-sonnet-4.5`, …: the
    /// first one or two adjacent short numbers. Longer ones are dates.
    pub(super) fn of(model: &str) -> Self {
        let short = |part: &str| (part.len() <= 2).then(|| part.parse::<u32>().ok()).flatten();
        let mut parts = model.split(|letter: char| !letter.is_ascii_alphanumeric());
        match parts.by_ref().find_map(short) {
            Some(major) => Self(major, parts.next().and_then(short).unwrap_or(0)),
            None => NEWEST,
        }
    }

    /// What to send as `max_tokens` where the client names no limit.
    pub(super) fn default_max_tokens(self) -> u64 {
        if self < THINKING { OLD_DEFAULT_MAX_TOKENS } else { DEFAULT_MAX_TOKENS }
    }
}

/// What may rule thinking out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Obstacles {
    /// A tool must be called. No model both thinks and is forced.
    pub(super) forced: bool,
    /// The model's last turn called tools, and the client has not kept the thoughts before them.
    /// Models that think by budget refuse to go on thinking from there.
    pub(super) thoughts_lost: bool,
}

/// What to say about thinking.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Thinking {
    /// `thinking`.
    pub(super) config: Option<Value>,
    /// `output_config.effort`.
    pub(super) effort: Option<&'static str>,
}

impl Thinking {
    /// Translates an effort.
    pub(super) fn of(
        effort: Effort,
        model: Generation,
        max_tokens: u64,
        Obstacles { forced, thoughts_lost }: Obstacles,
    ) -> Self {
        if model < ADAPTIVE {
            let possible = model >= THINKING && !forced && !thoughts_lost;
            let budget = budget(effort, max_tokens).filter(|_| possible);
            let config = |budget| json!({ "type": "enabled", "budget_tokens": budget });
            return Self { config: budget.map(config), effort: None };
        }
        if effort == Effort::None {
            return Self { config: Some(json!({ "type": "disabled" })), effort: None };
        }
        // Newer models leave the text of their thoughts out unless asked for it.
        let adaptive = json!({ "type": "adaptive", "display": "summarized" });
        let effort = match effort {
            Effort::None | Effort::Minimal | Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High => "high",
            Effort::Xhigh if model < FINE_EFFORT => "high",
            Effort::Xhigh => "xhigh",
            Effort::Max => "max",
        };
        Self { config: (!forced).then_some(adaptive), effort: Some(effort) }
    }

    /// Whether the model is told to think.
    pub(super) fn is_on(&self) -> bool {
        self.config
            .as_ref()
            .is_some_and(|config| config.get("type").and_then(Value::as_str) != Some("disabled"))
    }
}

/// Tokens to think with; a quarter of the answer's limit stays for the answer. `None` where
/// nothing is to be thought, or the limit leaves no room for it.
fn budget(effort: Effort, max_tokens: u64) -> Option<u64> {
    let wanted = match effort {
        Effort::None => return None,
        Effort::Minimal => MIN_BUDGET,
        Effort::Low => 2_048,
        Effort::Medium => 8_192,
        Effort::High => 16_384,
        Effort::Xhigh | Effort::Max => 24_576,
    };
    let budget = wanted.min(max_tokens - max_tokens / 4).max(MIN_BUDGET);
    (budget < max_tokens).then_some(budget)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_are_read_from_names() {
        for (name, generation) in [
            ("claude-3-7-sonnet-20250219", Generation(3, 7)),
            ("claude-3-haiku-20240307", Generation(3, 0)),
            ("claude-sonnet-4-20250514", Generation(4, 0)),
            ("anthropic/claude-sonnet-4.5", Generation(4, 5)),
            ("us.anthropic.claude-opus-4-1-20250805-v1:0", Generation(4, 1)),
            ("claude-opus-4-6", Generation(4, 6)),
            ("claude-sonnet-5", Generation(5, 0)),
            ("claude-mythos-preview", NEWEST),
        ] {
            assert_eq!(Generation::of(name), generation, "{name}");
        }
    }

    #[test]
    fn a_budget_leaves_room_for_the_answer() {
        for max_tokens in [0, 1, 1_024, 1_025, 2_000, 32_000, u64::MAX] {
            for effort in [Effort::Minimal, Effort::Medium, Effort::Max] {
                if let Some(budget) = budget(effort, max_tokens) {
                    assert!((MIN_BUDGET..max_tokens).contains(&budget));
                }
            }
        }
        assert_eq!(budget(Effort::High, 1_024), None);
        assert_eq!(budget(Effort::High, 8_000), Some(6_000));
    }

    #[test]
    fn a_forced_tool_rules_thinking_out_but_not_effort() {
        let forced = Obstacles { forced: true, ..Obstacles::default() };
        let old = Thinking::of(Effort::High, Generation(4, 5), 32_000, forced);
        assert_eq!(old, Thinking::default());
        let new = Thinking::of(Effort::High, Generation(4, 6), 32_000, forced);
        assert_eq!(new, Thinking { config: None, effort: Some("high") });
    }
}
