//! Times as vendors write them: RFC 3339.

/// Seconds since the Unix epoch of a text such as `2025-02-19T00:00:00.5+09:00`.
pub(crate) fn unix_seconds(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
    };
    let mark = |at: usize, allowed: &[u8]| {
        text.as_bytes().get(at).is_some_and(|byte| allowed.contains(byte)).then_some(())
    };
    mark(4, b"-").and(mark(7, b"-")).and(mark(10, b"Tt "))?;
    mark(13, b":").and(mark(16, b":"))?;
    let days = days_since_epoch(number(0, 4)?, number(5, 7)?, number(8, 10)?)?;
    let seconds = number(11, 13)? * 3_600 + number(14, 16)? * 60 + number(17, 19)?;
    let zone = text.get(19..)?.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let offset = match zone.split_at_checked(1)? {
        ("Z" | "z", "") => 0,
        ("+", ahead) => clock(ahead)?,
        ("-", behind) => -clock(behind)?,
        _ => return None,
    };
    Some(days * 86_400 + seconds - offset)
}

/// Seconds of `hh:mm`.
fn clock(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    Some(hours.parse::<i64>().ok()? * 3_600 + minutes.parse::<i64>().ok()? * 60)
}

/// Days from 1970-01-01 in the Gregorian calendar. Years begin in March here, so that the leap day
/// is the last of its year.
fn days_since_epoch(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (cycle, of_cycle) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    let days = of_cycle * 365 + of_cycle / 4 - of_cycle / 100 + of_year;
    Some(cycle * 146_097 + days - 719_468)
}

#[cfg(test)]
mod tests {
    use super::unix_seconds;

    #[test]
    fn times_are_read() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:30:15Z", 951_827_415),
            ("2025-02-19T00:00:00Z", 1_739_923_200),
            ("2025-10-03T23:34:03.409490317-07:00", 1_759_559_643),
            ("1969-12-31T23:59:59+00:00", -1),
        ] {
            assert_eq!(unix_seconds(text), Some(seconds), "{text}");
        }
        for wrong in ["", "2025-02-19", "2025-13-01T00:00:00Z", "2025-02-19T00:00:00", "éééééééééé"]
        {
            assert_eq!(unix_seconds(wrong), None, "{wrong}");
        }
    }
}
