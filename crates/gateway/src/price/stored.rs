//! Overrides as the store keeps them: amounts by name, so that the ledger's database needs to know
//! nothing of price tables.

use std::collections::BTreeMap;

use kernel::Money;
use store::{NewPrice, Price};

use super::cost::Tariff;
use super::date::day;
use super::{LongPrompt, PriceError, PriceRow, WrittenPrice};

impl TryFrom<Price> for PriceRow {
    type Error = PriceError;

    fn try_from(price: Price) -> Result<Self, PriceError> {
        let effective_from = day(price.effective_from);
        let row = format!("`{}` at `{}` from {effective_from}", price.model, price.provider);
        let wrong = |problem: String| PriceError::Row { row: row.clone(), problem };
        let mut written = WrittenPrice {
            provider: price.provider,
            model: price.model,
            effective_from,
            source: price.source,
            ..WrittenPrice::default()
        };
        for (name, amount) in &price.rates {
            if !put(&mut written, name, &amount.to_string()) {
                return Err(wrong(format!(
                    "it has an amount for `{name}`, which is no kind of token"
                )));
            }
        }
        let Self { written, tariff } = Self::try_from(written)?;
        // The store knows the moment, the written form only its day.
        Ok(Self { written, tariff: Tariff { effective_from: price.effective_from, ..tariff } })
    }
}

impl PriceRow {
    /// The row as the store keeps it.
    ///
    /// # Errors
    /// [`PriceError`] for a long prompt without prices, which an override has no use for.
    pub fn to_stored(&self) -> Result<NewPrice, PriceError> {
        let rates = amounts(self.written())
            .map_err(|problem| PriceError::Row { row: self.written().name(), problem })?;
        Ok(NewPrice {
            provider: self.written().provider.clone(),
            model: self.written().model.clone(),
            effective_from: self.tariff().effective_from,
            rates,
            source: self.written().source.clone(),
        })
    }
}

fn amounts(written: &WrittenPrice) -> Result<BTreeMap<String, Money>, String> {
    if written.tier.is_some() {
        return Err("prices of a `tier` stand in the configuration file alone".into());
    }
    let mut amounts = BTreeMap::new();
    let mut add = |name: String, text: Option<&String>| -> Result<(), String> {
        if let Some(text) = text {
            amounts.insert(name, Money::parse_dollars(text)?);
        }
        Ok(())
    };
    add("input".into(), Some(&written.input))?;
    add("cached_input".into(), written.cached_input.as_ref())?;
    add("cache_write".into(), written.cache_write.as_ref())?;
    add("audio_input".into(), written.audio_input.as_ref())?;
    add("image_input".into(), written.image_input.as_ref())?;
    add("output".into(), Some(&written.output))?;
    add("audio_output".into(), written.audio_output.as_ref())?;
    if let Some(long) = &written.long_prompt {
        if long.input.is_none() {
            return Err("`long_prompt` has no prices; give its `input` and `output`".into());
        }
        let above = |name: &str| format!("above {} input tokens: {name}", long.above_input_tokens);
        add(above("input"), long.input.as_ref())?;
        add(above("cached_input"), long.cached_input.as_ref())?;
        add(above("cache_write"), long.cache_write.as_ref())?;
        add(above("audio_input"), long.audio_input.as_ref())?;
        add(above("image_input"), long.image_input.as_ref())?;
        add(above("output"), long.output.as_ref())?;
        add(above("audio_output"), long.audio_output.as_ref())?;
    }
    Ok(amounts)
}

/// Puts an amount in its place; false if there is none of that name.
fn put(written: &mut WrittenPrice, name: &str, amount: &str) -> bool {
    let amount = amount.to_owned();
    let long = name.strip_prefix("above ").and_then(|rest| rest.split_once(" input tokens: "));
    let Some((above, name)) = long else {
        match name {
            "input" => written.input = amount,
            "cached_input" => written.cached_input = Some(amount),
            "cache_write" => written.cache_write = Some(amount),
            "audio_input" => written.audio_input = Some(amount),
            "image_input" => written.image_input = Some(amount),
            "output" => written.output = amount,
            "audio_output" => written.audio_output = Some(amount),
            _ => return false,
        }
        return true;
    };
    let Ok(above_input_tokens) = above.parse() else { return false };
    let empty = LongPrompt { above_input_tokens, ..LongPrompt::default() };
    let long = written.long_prompt.get_or_insert(empty);
    let place = match name {
        "input" => &mut long.input,
        "cached_input" => &mut long.cached_input,
        "cache_write" => &mut long.cache_write,
        "audio_input" => &mut long.audio_input,
        "image_input" => &mut long.image_input,
        "output" => &mut long.output,
        "audio_output" => &mut long.audio_output,
        _ => return false,
    };
    *place = Some(amount);
    long.above_input_tokens == above_input_tokens
}

#[cfg(test)]
mod tests {
    use kernel::Timestamp;

    use super::*;

    fn stored(new: NewPrice) -> Price {
        Price {
            id: "price_1".into(),
            provider: new.provider,
            model: new.model,
            effective_from: new.effective_from,
            rates: new.rates,
            source: new.source,
            created_at: Timestamp::default(),
        }
    }

    fn row(long_prompt: Option<LongPrompt>) -> PriceRow {
        PriceRow::try_from(WrittenPrice {
            provider: "lab".into(),
            model: "m-*".into(),
            effective_from: "2026-03-01".into(),
            input: "1.250000000".into(),
            cached_input: Some("0.125000000".into()),
            output: "10.000000000".into(),
            long_prompt,
            source: "contract 7".into(),
            ..WrittenPrice::default()
        })
        .unwrap()
    }

    #[test]
    fn a_row_comes_back_from_the_store_as_it_was() {
        let long = LongPrompt {
            above_input_tokens: 200_000,
            input: Some("2.500000000".into()),
            output: Some("15.000000000".into()),
            ..LongPrompt::default()
        };
        for row in [row(None), row(Some(long))] {
            assert_eq!(PriceRow::try_from(stored(row.to_stored().unwrap())), Ok(row));
        }
    }

    #[test]
    fn a_stored_price_holds_from_its_moment() {
        let noon = Timestamp::from_secs(1_795_392_000 + 43_200);
        let price = Price { effective_from: noon, ..stored(row(None).to_stored().unwrap()) };
        let row = PriceRow::try_from(price).unwrap();
        assert_eq!(row.tariff().effective_from, noon);
        assert_eq!(row.written().effective_from, "2026-11-23");
    }

    #[test]
    fn what_cannot_be_stored_or_read_says_why() {
        let nothing = LongPrompt { above_input_tokens: 9, ..LongPrompt::default() };
        let error = row(Some(nothing)).to_stored().unwrap_err();
        assert!(error.to_string().contains("give its `input` and `output`"), "{error}");
        let mut price = stored(row(None).to_stored().unwrap());
        price.rates.insert("inptu".into(), Money::ZERO);
        let error = PriceRow::try_from(price).unwrap_err();
        assert!(error.to_string().contains("`m-*` at `lab`"), "{error}");
        assert!(error.to_string().contains("`inptu`"), "{error}");
    }
}
