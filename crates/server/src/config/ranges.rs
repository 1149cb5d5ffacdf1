//! What the numbers of the configuration may be. One that makes no sense is refused at the start,
//! with its line or its variable: a node that runs with it would answer no call, or guard nothing.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{ConfigError, wrong};

/// A day in seconds.
const DAY: i64 = 86_400;
/// An hour in milliseconds.
const HOUR_MS: i64 = 3_600_000;
/// More bytes than any machine has for one thing.
const TIB: i64 = 1 << 40;
/// S3 takes ten thousand parts of 8 MiB; this leaves some room.
const LARGEST_FILE: i64 = 64 << 30;
/// More of anything than one node can have.
const MANY: i64 = 100_000_000;

/// Every number: its key, the least that it may be, and the most. Where 0 is allowed, it means none,
/// never, or for ever, as the reference says.
const RANGES: &[(&str, i64, i64)] = &[
    ("server.max_body_bytes", 1_024, TIB),
    ("server.request_timeout_secs", 1, DAY),
    ("server.write_timeout_secs", 0, DAY),
    ("server.drain_secs", 0, DAY),
    ("server.max_connections", 0, MANY),
    ("server.max_connections_per_peer", 0, MANY),
    ("server.max_head_bytes", 1_024, 1 << 30),
    ("store.max_connections", 1, 10_000),
    ("gateway.refresh_ms", 1, HOUR_MS),
    ("gateway.probe_secs", 0, DAY),
    ("gateway.body_room_bytes", 65_536, TIB),
    ("gateway.retry.max_attempts", 1, 100),
    ("gateway.retry.backoff_ms", 0, HOUR_MS),
    ("gateway.retry.longest_backoff_ms", 0, HOUR_MS),
    ("gateway.retry.budget_percent", 0, 1_000),
    ("gateway.queue.max_calls", 1, MANY),
    ("gateway.queue.priority_percent", 0, 100),
    ("gateway.queue.default_percent", 0, 100),
    ("gateway.queue.flex_percent", 0, 100),
    ("gateway.queue.max_waiting", 0, MANY),
    ("gateway.queue.patience_ms", 1, HOUR_MS),
    ("gateway.queue.flex_patience_ms", 1, HOUR_MS),
    ("gateway.queue.shed_lag_ms", 0, HOUR_MS),
    ("gateway.budgets.patience_ms", 1, 60_000),
    ("gateway.budgets.share_when_lost_percent", 0, 100),
    ("journal.warn_free_bytes", 0, i64::MAX),
    ("journal.held_records", 1, MANY),
    ("journal.segment_bytes", 65_536, TIB),
    ("responses.background_concurrency", 1, MANY),
    ("responses.lease_secs", 1, DAY),
    ("responses.socket_minutes", 1, 10_080),
    ("responses.max_inlined_bytes", 0, TIB),
    ("batches.concurrency", 1, MANY),
    ("batches.max_lines", 1, MANY),
    ("batches.max_input_bytes", 1, TIB),
    ("batches.max_line_bytes", 1, TIB),
    ("batches.lease_secs", 1, DAY),
    ("retention.interval_secs", 1, 30 * DAY),
    ("files.max_file_bytes", 1, LARGEST_FILE),
    ("counters.patience_ms", 1, 60_000),
    ("counters.share_when_lost_percent", 1, 100),
    ("counters.heartbeat_secs", 1, 3_600),
    ("counters.expected_nodes", 1, 1_000_000),
    ("alerts.interval_secs", 1, DAY),
    ("alerts.burn_min_calls", 1, i64::MAX),
    ("alerts.webhook_timeout_ms", 1, HOUR_MS),
    ("telemetry.sample_ratio", 0, 1),
    ("telemetry.interval_secs", 1, DAY),
    ("providers.timeouts.connect_ms", 1, 24 * HOUR_MS),
    ("providers.timeouts.first_byte_ms", 1, 24 * HOUR_MS),
    ("providers.timeouts.idle_ms", 1, 24 * HOUR_MS),
    ("providers.timeouts.total_ms", 1, 24 * HOUR_MS),
    ("providers.max_concurrent", 1, MANY),
];

/// The shares of the queue, which divide one whole.
const SHARES: [&str; 3] = ["priority_percent", "default_percent", "flex_percent"];

/// Checks the numbers of a file, of which `place` is the name. What is no TOML is somebody else's to
/// tell.
pub(super) fn check_file(place: &str, text: &str) -> Result<(), ConfigError> {
    match DeTable::parse(text) {
        Ok(table) => table
            .get_ref()
            .iter()
            .try_for_each(|(key, value)| check_tree(place, text, key.get_ref(), value)),
        Err(_) => Ok(()),
    }
}

/// Checks everything at and below a key. What stands in an array is checked like what stands alone.
fn check_tree(
    place: &str,
    text: &str,
    key: &str,
    value: &Spanned<DeValue<'_>>,
) -> Result<(), ConfigError> {
    let number = match value.get_ref() {
        DeValue::Table(table) => {
            return table.iter().try_for_each(|(name, value)| {
                check_tree(place, text, &format!("{key}.{}", name.get_ref()), value)
            });
        }
        DeValue::Array(values) => {
            return values.iter().try_for_each(|value| check_tree(place, text, key, value));
        }
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map(toml::Value::Integer).ok()
        }
        DeValue::Float(number) => number.as_str().parse().map(toml::Value::Float).ok(),
        _ => None,
    };
    let Some(number) = number else { return Ok(()) };
    let before = text.get(..value.span().start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    check(key, &number).map_err(|problem| wrong(&format!("{place}:{line}"), problem))
}

/// Checks one value, if it is a number that has a range.
pub(super) fn check(key: &str, value: &toml::Value) -> Result<(), String> {
    let Some((_, least, most)) = RANGES.iter().find(|(known, ..)| *known == key) else {
        return Ok(());
    };
    let fits = match value {
        toml::Value::Integer(number) => (least..=most).contains(&number),
        toml::Value::Float(number) => (*least as f64..=*most as f64).contains(number),
        _ => true,
    };
    let allowed = match *most {
        i64::MAX => format!("at least {least}"),
        most => format!("from {least} to {most}"),
    };
    if fits { Ok(()) } else { Err(format!("`{key}` is {value}; it must be {allowed}")) }
}

/// Checks what numbers say together, wherever each of them is from.
pub(super) fn check_together(config: &toml::Table) -> Result<(), String> {
    let queue = config.get("gateway").and_then(|gateway| gateway.get("queue"));
    let share = |key| queue.and_then(|queue| queue.get(key)?.as_integer()).unwrap_or(0);
    let sum: i64 = SHARES.into_iter().map(share).sum();
    if sum <= 100 {
        return Ok(());
    }
    let [priority, default, flex] = SHARES.map(|key| format!("{} ({})", key, share(key)));
    Err(format!(
        "`gateway.queue`: {priority}, {default} and {flex} are {sum} percent of the places \
         together; make them 100 at most"
    ))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::config::{Config, DEFAULTS, Environment};

    fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kijun.toml");
        std::fs::write(&path, text).unwrap();
        let environment = Environment::of(environment);
        Config::load(Some(&path), &environment).map_err(|error| error.to_string())
    }

    /// The keys of all numbers below `key`.
    fn numbers(key: &str, value: &toml::Value, found: &mut Vec<String>) {
        match value {
            toml::Value::Table(table) => {
                table.iter().for_each(|(name, value)| {
                    numbers(format!("{key}.{name}").trim_start_matches('.'), value, found);
                });
            }
            toml::Value::Integer(_) | toml::Value::Float(_) => found.push(key.to_owned()),
            _ => {}
        }
    }

    /// A file that sets one key, on its last line.
    fn file(key: &str, value: impl std::fmt::Display) -> String {
        let mut text = String::new();
        match key.strip_prefix("providers.") {
            Some(key) => {
                text += "[[providers]]\nname = \"a\"\nkind = \"openai\"\n";
                write!(text, "{key} = {value}").unwrap();
            }
            None => {
                let (section, key) = key.rsplit_once('.').unwrap();
                write!(text, "[{section}]\n{key} = {value}").unwrap();
            }
        }
        text
    }

    #[test]
    fn every_number_has_a_range_that_its_default_is_in() {
        let defaults: toml::Table = toml::from_str(DEFAULTS).unwrap();
        let mut keys = Vec::new();
        numbers("", &toml::Value::Table(defaults), &mut keys);
        assert!(keys.len() > 40, "{keys:?}");
        for key in &keys {
            assert!(RANGES.iter().any(|(known, ..)| known == key), "{key} has no range");
        }
        check_file("config.default.toml", DEFAULTS).unwrap();
    }

    #[test]
    fn what_is_outside_its_range_is_refused_with_its_line_and_what_is_allowed() {
        for (key, least, most) in RANGES {
            let mut outside = vec![least - 1];
            outside.extend(most.checked_add(1));
            for value in outside {
                let text = file(key, value);
                let error = load(&text, &[]).unwrap_err();
                let line = text.lines().count();
                assert!(
                    error.contains(&format!("kijun.toml:{line}: `{key}` is {value}")),
                    "{error}"
                );
                assert!(error.contains(&least.to_string()), "{error}");
            }
            let shares = key.ends_with("_percent") && key.starts_with("gateway.queue");
            if !shares && *most <= MANY && *key != "telemetry.sample_ratio" {
                for value in [least, most] {
                    load(&file(key, value), &[]).unwrap();
                }
            }
        }
        let error = load(&file("telemetry.sample_ratio", 1.5), &[]).unwrap_err();
        assert!(error.contains("must be from 0 to 1"), "{error}");
        let error = load(&file("journal.segment_bytes", "0x10"), &[]).unwrap_err();
        assert!(error.contains("is 16; it must be from 65536"), "{error}");
    }

    #[test]
    fn a_variable_outside_its_range_is_named() {
        for (variable, value) in [
            ("KIJUN_GATEWAY_BUDGETS_SHARE_WHEN_LOST_PERCENT", "5000"),
            ("KIJUN_GATEWAY_QUEUE_MAX_CALLS", "0"),
            ("KIJUN_JOURNAL_HELD_RECORDS", "0"),
        ] {
            let error = load("", &[(variable, value)]).unwrap_err();
            assert!(error.starts_with(variable) && error.contains("must be"), "{error}");
        }
    }

    #[test]
    fn shares_are_of_one_whole() {
        let error = load("[gateway.queue]\npriority_percent = 90\n", &[]).unwrap_err();
        assert!(error.contains("are 135 percent"), "{error}");
        let variable = [("KIJUN_GATEWAY_QUEUE_FLEX_PERCENT", "41")];
        assert!(load("", &variable).unwrap_err().contains("are 101 percent"));
        load("[gateway.queue]\npriority_percent = 55\n", &[]).unwrap();
    }
}
