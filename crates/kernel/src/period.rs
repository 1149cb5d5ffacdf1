//! Days and months in a time zone, as budgets and statements count them.

use std::fmt;
use std::ops::{Range, RangeInclusive};

use jiff::ToSpan as _;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// A stretch of time that comes again and again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// From midnight to midnight: 23 to 25 hours where clocks change.
    Day,
    /// From the first of a month to the first of the next.
    Month,
}

impl Period {
    /// The name that records and errors use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// The day or month that a moment lies in: its beginning, and that of the next.
    pub fn around(self, at: Timestamp, zone: &Zone) -> Range<Timestamp> {
        // Only moments thousands of years away have no such day.
        self.checked(at, zone).unwrap_or(Timestamp::from_micros(i64::MIN)..Timestamp::MAX)
    }

    fn checked(self, at: Timestamp, zone: &Zone) -> Option<Range<Timestamp>> {
        let moment = jiff::Timestamp::from_microsecond(at.as_micros()).ok()?;
        let day = moment.to_zoned_datetime(zone.rules.clone()).start_of_day().ok()?;
        let (start, next) = match self {
            Self::Day => (day.clone(), day.checked_add(1.day()).ok()?),
            Self::Month => {
                let first = day.first_of_month().ok()?.start_of_day().ok()?;
                (first.clone(), first.checked_add(1.month()).ok()?)
            }
        };
        // Where clocks change at midnight, a day begins at the first moment that it has.
        let next = next.start_of_day().ok()?;
        let micros = |moment: &jiff::Timestamp| Timestamp::from_micros(moment.as_microsecond());
        Some(micros(&start.timestamp())..micros(&next.timestamp()))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A time zone by its name in the IANA database, which is built in: `UTC`, `Asia/Tokyo`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

/// There is no such time zone.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "`{0}` is no time zone; write a name of the IANA database such as \"UTC\" or \"Asia/Tokyo\""
)]
pub struct NoSuchZone(String);

/// Years of which a month can be named: those that every time zone and every sum of moments can tell.
const YEARS: RangeInclusive<i16> = 1970..=2199;

/// There is no such month.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{0}` is no month from 1970 to 2199; write year and month such as \"2026-11\"")]
pub struct NoSuchMonth(String);

impl Zone {
    /// Coordinated universal time.
    pub fn utc() -> Self {
        Self { name: "UTC".into(), rules: TimeZone::UTC }
    }

    /// The zone of this name.
    ///
    /// # Errors
    /// [`NoSuchZone`]
    pub fn named(name: &str) -> Result<Self, NoSuchZone> {
        if name == "UTC" {
            return Ok(Self::utc());
        }
        let rules = TimeZone::get(name).map_err(|_| NoSuchZone(name.into()))?;
        Ok(Self { name: rules.iana_name().unwrap_or(name).to_owned(), rules })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Timestamp {
    /// A moment in a month written as `2026-11`, whatever the time zone is.
    ///
    /// # Errors
    /// [`NoSuchMonth`]
    pub fn in_month(month: &str) -> Result<Self, NoSuchMonth> {
        Self::middle_of(month).ok_or_else(|| NoSuchMonth(month.into()))
    }

    fn middle_of(month: &str) -> Option<Self> {
        let digits = |text: &str, count| {
            text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        let (year, month) = month.split_once('-')?;
        if !(digits(year, 4) && digits(month, 2)) {
            return None;
        }
        let year = year.parse().ok().filter(|year| YEARS.contains(year))?;
        let day = jiff::civil::Date::new(year, month.parse().ok()?, 15).ok()?;
        let noon = TimeZone::UTC.to_timestamp(day.at(12, 0, 0, 0)).ok()?;
        Some(Self::from_secs(noon.as_second()))
    }
}

impl TryFrom<String> for Zone {
    type Error = NoSuchZone;
    fn try_from(name: String) -> Result<Self, NoSuchZone> {
        Self::named(&name)
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(period: Period, secs: i64, zone: &str) -> (String, String) {
        let found = period.around(Timestamp::from_secs(secs), &Zone::named(zone).unwrap());
        (found.start.to_string(), found.end.to_string())
    }

    #[test]
    fn months_are_named() {
        let zones = ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"];
        for zone in zones.map(|zone| Zone::named(zone).unwrap()) {
            let month = Period::Month.around(Timestamp::in_month("2026-02").unwrap(), &zone);
            assert_eq!(month.end.since(month.start).as_secs(), 28 * 86_400, "{zone:?}");
            for far in ["1970-01", "2199-12"] {
                let month = Period::Month.around(Timestamp::in_month(far).unwrap(), &zone);
                assert_eq!(month.end.since(month.start).as_secs(), 31 * 86_400, "{far} {zone:?}");
            }
        }
        let years = ["9999-12", "2200-01", "1969-12", "0000-01"];
        let forms = ["", "2026", "2026-13", "2026-00", "2026-1", "26-01", "+026-01", "2026-02-01"];
        for wrong in years.into_iter().chain(forms) {
            assert!(Timestamp::in_month(wrong).is_err(), "{wrong}");
        }
    }

    fn texts(start: &str, end: &str) -> (String, String) {
        (start.into(), end.into())
    }

    #[test]
    fn a_month_begins_at_midnight_where_the_budget_is() {
        // 2026-02-28T15:00:00Z is the first of March in Tokyo.
        let at = 1_772_290_800;
        assert_eq!(
            around(Period::Month, at, "Asia/Tokyo"),
            texts("2026-02-28T15:00:00Z", "2026-03-31T15:00:00Z")
        );
        assert_eq!(
            around(Period::Month, at - 1, "Asia/Tokyo"),
            texts("2026-01-31T15:00:00Z", "2026-02-28T15:00:00Z")
        );
        assert_eq!(
            around(Period::Month, at, "UTC"),
            texts("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z")
        );
        assert_eq!(
            around(Period::Day, at, "Asia/Kolkata"),
            texts("2026-02-27T18:30:00Z", "2026-02-28T18:30:00Z")
        );
    }

    #[test]
    fn days_on_which_clocks_change_are_as_long_as_they_are() {
        let zone = Zone::named("Europe/Berlin").unwrap();
        // 2026-03-29 has 23 hours there, 2026-10-25 has 25.
        for (secs, hours) in [(1_774_778_400, 23), (1_792_922_400, 25)] {
            let day = Period::Day.around(Timestamp::from_secs(secs), &zone);
            assert_eq!(day.end.since(day.start).as_secs(), hours * 3_600);
        }
    }

    #[test]
    fn every_moment_lies_in_its_period_and_periods_leave_no_gap() {
        for zone in ["UTC", "Asia/Tokyo", "America/Sao_Paulo", "Australia/Lord_Howe"] {
            let zone = Zone::named(zone).unwrap();
            for period in [Period::Day, Period::Month] {
                let mut at = Timestamp::from_secs(1_530_000_000);
                for _ in 0..800 {
                    let found = period.around(at, &zone);
                    assert!(found.contains(&at), "{period} of {zone:?}: {at} in {found:?}");
                    assert_eq!(period.around(found.end, &zone).start, found.end);
                    at = found.end;
                }
            }
        }
    }

    #[test]
    fn a_zone_is_written_by_its_name() {
        let zone: Zone = serde_json::from_str(r#""asia/tokyo""#).unwrap();
        assert_eq!(serde_json::to_string(&zone).unwrap(), r#""Asia/Tokyo""#);
        let error = serde_json::from_str::<Zone>(r#""Mars/Olympus""#).unwrap_err().to_string();
        assert!(error.contains("IANA"), "{error}");
    }
}
