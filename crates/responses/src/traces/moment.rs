//! Times as clients write them: RFC 3339, with a fraction of a second or without.

use kernel::Timestamp;

/// The moment that a text such as `2026-01-31T09:15:00.123456+00:00` names. Digits beyond the
/// microsecond are left off.
pub(super) fn read(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let zone = time.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = time.split_at_checked(zone)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    // A leap second is the first of the next minute.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds =
        days(year, month, day)? * 86_400 + hour * 3_600 + minute * 60 + second - offset(zone)?;
    Some(Timestamp::from_micros(seconds * 1_000_000 + micros(fraction)?))
}

/// Three numbers of these many digits.
fn numbers(text: &str, between: char, digits: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(between);
    let mut next = |length: usize| {
        let part = parts.next().filter(|part| part.len() == length)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten()
    };
    let [first, second, third] = digits;
    let found = [next(first)?, next(second)?, next(third)?];
    parts.next().is_none().then_some(found)
}

fn micros(fraction: &str) -> Option<i64> {
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let six: String = fraction.chars().chain("000000".chars()).take(6).collect();
    six.parse().ok()
}

/// Seconds that a zone is ahead of UTC.
fn offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, clock) = zone.split_at_checked(1)?;
    let (hours, minutes) = clock.split_once(':')?;
    let [hours, minutes, _] = numbers(&format!("{hours}:{minutes}:00"), ':', [2, 2, 2])?;
    let ahead = hours * 3_600 + minutes * 60;
    (hours < 24 && minutes < 60).then_some(if sign == "-" { -ahead } else { ahead })
}

/// Days from 1970-01-01 in the Gregorian calendar. Years begin in March here, so that the leap day
/// is the last of its year.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        _ => return None,
    };
    if !(1..=longest).contains(&day) {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_clients_write_them() {
        for (text, micros) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T00:00:00+00:00", 951_782_400_000_000),
            ("2026-11-23T16:56:39.123456+00:00", 1_795_452_999_123_456),
            ("2026-11-23T16:56:39.123Z", 1_795_452_999_123_000),
            ("2026-11-24T01:56:39.1234567+09:00", 1_795_452_999_123_456),
            ("2026-11-23t15:26:39-01:30", 1_795_452_999_000_000),
            ("1969-12-31 23:59:59.5z", -500_000),
        ] {
            assert_eq!(read(text), Some(Timestamp::from_micros(micros)), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for wrong in [
            "",
            "now",
            "2026-11-23",
            "2026-11-23T16:56:39",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-23T24:00:00Z",
            "2026-11-23T16:56Z",
            "2026-11-23T16:56:39.Z",
            "2026-11-23T16:56:39.xZ",
            "2026-11-23T16:56:39Zulu",
            "2026-11-23T16:56:39+9",
            "+026-11-23T16:56:39Z",
            "éééé-éé-ééTéé:éé:ééZ",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
