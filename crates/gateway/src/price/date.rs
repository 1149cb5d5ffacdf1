//! Days, as the price table writes them.

use kernel::Timestamp;

const SECONDS_A_DAY: i64 = 86_400;

/// Reads `YYYY-MM-DD` as the first moment of that day, in UTC.
pub(super) fn midnight(text: &str) -> Result<Timestamp, String> {
    parse(text).ok_or_else(|| format!("`{text}` is no day; write it like \"2026-01-31\""))
}

/// Writes the day of a moment, in UTC, as `YYYY-MM-DD`.
pub(super) fn day(at: Timestamp) -> String {
    // The inverse of `days_since_epoch`, in the same years that begin in March; an era is the 400
    // years after which the calendar repeats.
    let days = at.as_secs().div_euclid(SECONDS_A_DAY) + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year_of_era;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    format!("{year:04}-{month:02}-{day:02}")
}

fn parse(text: &str) -> Option<Timestamp> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let widths_fit = year.len() == 4 && month.len() == 2 && day.len() == 2;
    let digits = text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    if parts.next().is_some() || !widths_fit || !digits {
        return None;
    }
    let (year, month, day): (i64, i64, i64) =
        (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
    if day < 1 || day > days_in_month(year, month)? {
        return None;
    }
    Some(Timestamp::from_secs(days_since_epoch(year, month, day) * SECONDS_A_DAY))
}

fn days_in_month(year: i64, month: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(if leap { 29 } else { 28 }),
        _ => None,
    }
}

/// Days from 1970-01-01, counted in years that begin in March so that the leap day comes last.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + leap_days + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_exactly() {
        for (text, seconds) in [
            ("1970-01-01", 0),
            ("2000-02-29", 951_782_400),
            ("2024-12-31", 1_735_603_200),
            ("2026-11-23", 1_795_392_000),
        ] {
            assert_eq!(midnight(text), Ok(Timestamp::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn every_day_is_written_as_it_is_read() {
        for number in 0..60_000 {
            let noon = Timestamp::from_secs(number * SECONDS_A_DAY + 43_200);
            let midnight_again = midnight(&day(noon)).unwrap();
            assert_eq!(midnight_again, Timestamp::from_secs(number * SECONDS_A_DAY));
        }
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for wrong in
            ["", "2026", "2026-1-1", "2026-13-01", "2025-02-29", "2026-04-31", "2026-01-01-01"]
        {
            let problem = midnight(wrong).unwrap_err();
            assert!(problem.contains("2026-01-31"), "{problem}");
        }
        assert!(midnight("+026-01-01").is_err());
    }
}
