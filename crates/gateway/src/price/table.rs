//! Which row prices a call.

use std::sync::Arc;

use kernel::{Money, Timestamp, Usage};
use serde::Deserialize;

use super::{PriceError, PriceRow, WrittenPrice};

const EMBEDDED: &str = include_str!("prices.toml");

/// All prices: the vendors' lists, and what the operator says instead.
#[derive(Debug, Clone)]
pub struct PriceTable {
    listed: Arc<[PriceRow]>,
    overrides: Arc<[PriceRow]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    list: Vec<List>,
}

/// One reading of one price page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    provider: String,
    source: String,
    #[serde(default)]
    via: String,
    read_on: String,
    prices: Vec<WrittenPrice>,
}

impl PriceTable {
    /// The table that is built in, without overrides.
    ///
    /// # Errors
    /// [`PriceError`] names the row that is no price; a test sees to it that none is.
    pub fn embedded() -> Result<Self, PriceError> {
        Self::parse(EMBEDDED)
    }

    /// This table with these rows before it: from its `effective_from` on, an override wins over
    /// the lists. One for the provider's name wins over one for the vendor's kind, that over `*`.
    /// Of two that fit alike, the one added later wins; overrides that were there stay.
    #[must_use]
    pub fn with_overrides(&self, rows: Vec<PriceRow>) -> Self {
        let overrides = self.overrides.iter().cloned().chain(rows).collect();
        Self { listed: Arc::clone(&self.listed), overrides }
    }

    /// What a call cost; `None` where there is no price for it. `vendor` is the provider's kind
    /// if the provider is that vendor's own endpoint, else empty: a compatible server does not
    /// have the vendor's prices. `tier` is the service tier that the call was answered in, unless it
    /// is the standard one.
    pub fn cost(
        &self,
        provider: &str,
        vendor: &str,
        upstream_model: &str,
        tier: Option<&str>,
        usage: &Usage,
        at: Timestamp,
    ) -> Option<Money> {
        self.row(provider, vendor, upstream_model, tier, at)?.tariff().cost(usage)
    }

    /// The row that prices such a call.
    pub fn row(
        &self,
        provider: &str,
        vendor: &str,
        upstream_model: &str,
        tier: Option<&str>,
        at: Timestamp,
    ) -> Option<&PriceRow> {
        let overriding = |whose: &str| match whose {
            name if name == provider => Some(2),
            kind if kind == vendor => Some(1),
            "*" => Some(0),
            _ => None,
        };
        let call = (upstream_model, tier, at);
        best(&self.overrides, call, overriding)
            .or_else(|| best(&self.listed, call, |whose| (whose == vendor).then_some(0)))
    }

    fn parse(text: &str) -> Result<Self, PriceError> {
        let file: File =
            toml::from_str(text).map_err(|problem| PriceError::Syntax(problem.to_string()))?;
        let listed = file
            .list
            .into_iter()
            .flat_map(List::rows)
            .map(PriceRow::try_from)
            .collect::<Result<_, _>>()?;
        Ok(Self { listed, overrides: Arc::default() })
    }
}

impl List {
    fn rows(self) -> impl Iterator<Item = WrittenPrice> {
        let Self { provider, source, via, read_on, prices } = self;
        prices.into_iter().map(move |row| WrittenPrice {
            provider: provider.clone(),
            source: source.clone(),
            via: via.clone(),
            read_on: read_on.clone(),
            ..row
        })
    }
}

/// The row that holds at that time and fits best: first by whose it is, then by model, then the
/// latest day.
fn best<'t>(
    rows: &'t [PriceRow],
    (model, tier, at): (&str, Option<&str>, Timestamp),
    whose_fit: impl Fn(&str) -> Option<u8>,
) -> Option<&'t PriceRow> {
    rows.iter()
        .filter(|row| row.tariff().effective_from <= at && row.written().tier.as_deref() == tier)
        .filter_map(|row| {
            let whose = whose_fit(&row.written().provider)?;
            let fit = model_fit(&row.written().model, model)?;
            Some(((whose, fit, row.tariff().effective_from), row))
        })
        .max_by_key(|(fit, _)| *fit)
        .map(|(_, row)| row)
}

/// How well a row's model fits: a name beats the name without its date, that beats a longer
/// start, and that a shorter one.
fn model_fit(pattern: &str, model: &str) -> Option<usize> {
    match pattern.strip_suffix('*') {
        Some(start) => model.starts_with(start).then_some(start.len()),
        None if pattern == model => Some(usize::MAX),
        None => (pattern == undated(model)).then_some(usize::MAX - 1),
    }
}

/// The model's name without the date of its snapshot: `-2024-08-06`, `-20241022` or `-latest`.
fn undated(model: &str) -> &str {
    let is_date = |tail: &str, shape: &[u8]| {
        tail.len() == shape.len()
            && tail.bytes().zip(shape).all(|(byte, expected)| match expected {
                b'd' => byte.is_ascii_digit(),
                other => byte == *other,
            })
    };
    [b"-dddd-dd-dd".as_slice(), b"-dddddddd", b"-latest"]
        .into_iter()
        .find_map(|shape| {
            let (name, tail) = model.split_at_checked(model.len().checked_sub(shape.len())?)?;
            is_date(tail, shape).then_some(name)
        })
        .unwrap_or(model)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::price::date::midnight;

    /// A provider's name, and whose own endpoint it is.
    type Provider = (&'static str, &'static str);
    const OPENAI: Provider = ("main", "openai");

    fn on(day: &str) -> Timestamp {
        midnight(day).unwrap()
    }

    fn table() -> PriceTable {
        PriceTable::embedded().unwrap()
    }

    fn row(provider: &str, model: &str, from: &str, input: &str) -> PriceRow {
        let written = WrittenPrice {
            provider: provider.into(),
            model: model.into(),
            effective_from: from.into(),
            input: input.into(),
            output: "0".into(),
            ..WrittenPrice::default()
        };
        PriceRow::try_from(written).unwrap()
    }

    /// The price of a million input tokens, in dollars.
    fn price<'t>(table: &'t PriceTable, of: Provider, model: &str, day: &str) -> Option<&'t str> {
        table.row(of.0, of.1, model, None, on(day)).map(|row| row.written().input.as_str())
    }

    #[test]
    fn a_call_costs_what_the_list_says() {
        let usage = Usage { input: 1_200, input_cached: 1_000, output: 300, ..Usage::default() };
        let cost = table().cost("main", "openai", "gpt-4o-mini", None, &usage, on("2026-11-23"));
        assert_eq!(cost, Some(Money::from_nanos(200 * 150 + 1_000 * 75 + 300 * 600)));
    }

    #[test]
    fn old_calls_keep_the_price_of_their_day() {
        let table = table();
        assert_eq!(price(&table, OPENAI, "o3", "2025-06-09"), Some("10.00"));
        assert_eq!(price(&table, OPENAI, "o3", "2025-06-10"), Some("2.00"));
        assert_eq!(price(&table, OPENAI, "o3", "2025-04-15"), None, "before its release");
    }

    #[test]
    fn dated_snapshots_have_the_price_of_their_name_unless_they_have_their_own() {
        let table = table();
        for (model, expected) in [
            ("gpt-4o-2024-11-20", Some("2.50")),
            ("gpt-4o-2024-05-13", Some("5.00")),
            ("gpt-4o-audio-preview", None),
            ("gpt-4o-2024", None),
            ("gpt-9", None),
            ("", None),
            ("モデル", None),
        ] {
            assert_eq!(price(&table, OPENAI, model, "2026-11-23"), expected, "{model}");
        }
        let anthropic = ("claude", "anthropic");
        for model in ["claude-3-5-sonnet-20241022", "claude-3-5-sonnet-latest", "claude-3-5-sonnet"]
        {
            assert_eq!(price(&table, anthropic, model, "2026-11-23"), Some("3.00"));
        }
    }

    #[test]
    fn long_prompts_have_their_own_price() {
        let cost = |model, input| {
            table().cost(
                "main",
                "openai",
                model,
                None,
                &Usage { input, ..Usage::default() },
                on("2026-11-23"),
            )
        };
        assert_eq!(cost("gpt-5.5", 272_000), Some(Money::from_nanos(272_000 * 5_000)));
        assert_eq!(cost("gpt-5.5", 272_001), Some(Money::from_nanos(272_001 * 10_000)));
        assert_eq!(cost("gpt-6-sol", 272_000), Some(Money::from_nanos(272_000 * 2_000)));
        assert_eq!(cost("gpt-6-sol", 272_001), None, "the vendor's price for it was not found");
    }

    #[test]
    fn overrides_win_from_their_day_on_the_nearest_first() {
        let local = ("rack-7", "");
        let table = table().with_overrides(vec![
            row("*", "gpt-4o", "2026-01-01", "9"),
            row("openai", "gpt-4o", "2026-02-01", "8"),
            row("rack-7", "gpt-4o", "2026-03-01", "7"),
            row("rack-7", "llama-*", "2026-01-01", "1"),
            row("rack-7", "llama-3-*", "2026-01-01", "3"),
        ]);
        for (provider, model, day, expected) in [
            (OPENAI, "gpt-4o", "2025-12-31", Some("2.50")),
            (OPENAI, "gpt-4o", "2026-01-01", Some("9")),
            (OPENAI, "gpt-4o", "2026-02-01", Some("8")),
            (local, "gpt-4o", "2026-02-28", Some("9")),
            (local, "gpt-4o", "2026-03-01", Some("7")),
            (local, "gpt-4o", "2025-12-31", None),
            (local, "llama-2-7b", "2026-01-01", Some("1")),
            (local, "llama-3-8b", "2026-01-01", Some("3")),
            (OPENAI, "llama-3-8b", "2026-01-01", None),
        ] {
            assert_eq!(price(&table, provider, model, day), expected, "{model} {day}");
        }
    }

    #[test]
    fn overrides_add_up_and_the_later_one_wins() {
        let table = table()
            .with_overrides(vec![
                row("*", "a", "2026-01-01", "1"),
                row("*", "b", "2026-01-01", "1"),
            ])
            .with_overrides(vec![row("*", "b", "2026-01-01", "2")]);
        assert_eq!(price(&table, OPENAI, "a", "2026-01-01"), Some("1"));
        assert_eq!(price(&table, OPENAI, "b", "2026-01-01"), Some("2"));
    }

    #[test]
    fn a_file_of_another_shape_says_where() {
        let number = "[[list]]\nprovider = \"openai\"\nsource = \"s\"\nread_on = \"2026-01-01\"\n\
                      prices = [{ model = \"m\", effective_from = \"2026-01-01\", input = 0.1, output = \"1\" }]\n";
        for (text, expected) in [
            (number, "expected a string"),
            ("[[list]]\nprovidr = \"openai\"\n", "providr"),
            ("nonsense", "line 1"),
        ] {
            let error = PriceTable::parse(text).unwrap_err();
            assert!(matches!(error, PriceError::Syntax(_)));
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn another_tier_has_its_own_price_or_none() {
        let usage = Usage { input: 1_000_000, output: 1_000_000, ..Usage::default() };
        let cost = |model, tier| {
            table()
                .cost("main", "openai", model, tier, &usage, on("2026-11-23"))
                .map(Money::as_nanos)
        };
        assert_eq!(cost("gpt-5-mini", None), Some(2_250_000_000));
        assert_eq!(cost("gpt-5-mini-2025-08-07", Some("flex")), Some(1_125_000_000), "half of it");
        assert_eq!(
            cost("gpt-5-mini", Some("priority")),
            None,
            "no price is better than a wrong one"
        );
        assert_eq!(cost("gpt-4o", Some("flex")), None);
    }

    #[test]
    fn every_shipped_row_has_its_source_and_is_written_once() {
        let table = table();
        let mut seen = HashSet::new();
        for row in table.listed.iter().map(PriceRow::written) {
            assert!(row.source.starts_with("https://"), "{row:?}");
            assert!(row.via.is_empty() || row.via.starts_with("https://"), "{row:?}");
            assert!(midnight(&row.read_on).is_ok(), "{row:?}");
            let key = (&row.provider, &row.model, &row.tier, &row.effective_from);
            assert!(seen.insert(key), "written twice: {row:?}");
        }
        assert!(seen.len() > 60, "{} rows", seen.len());
    }
}
