//! Lengths of time as people type them.

use std::time::Duration;

/// Reads a whole number with a unit: `30s`, `15m`, `12h`, `90d`.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no length of time such as 30s, 15m, 12h or 90d");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let unit: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(unit).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        assert_eq!(parse("90d"), Ok(Duration::from_secs(90 * 86_400)));
        assert_eq!(parse("0s"), Ok(Duration::ZERO));
        for wrong in ["", "s", "5", "-1h", "1.5h", "1w", "99999999999999999999d", "5\u{e9}"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
