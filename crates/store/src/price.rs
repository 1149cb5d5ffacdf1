//! Prices that override the built-in table. They are only ever added, so that what a call cost on
//! its day can always be shown.

use std::collections::BTreeMap;

use kernel::{Money, Timestamp, id};
use serde_json::json;
use sqlx::any::AnyRow;

use crate::columns::{Columns, checked_name, to_json};
use crate::event::Event;
use crate::{Store, StoreError};

/// A price that holds from some day on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Price {
    /// Its id.
    pub id: String,
    /// The provider, by name or by kind; `*`: every provider.
    pub provider: String,
    /// The model's name at the provider.
    pub model: String,
    /// From when on it holds, until a later one does.
    pub effective_from: Timestamp,
    /// Dollars per million tokens, by kind of token (`input`, `input_cached`, `output`, ...).
    pub rates: BTreeMap<String, Money>,
    /// Where it was read: a contract, a page and its date.
    pub source: String,
    /// When it was written here.
    pub created_at: Timestamp,
}

/// A price to be added.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewPrice {
    /// The provider, by name or by kind; `*`: every provider.
    pub provider: String,
    /// The model's name at the provider.
    pub model: String,
    /// From when on it holds.
    pub effective_from: Timestamp,
    /// Dollars per million tokens, by kind of token.
    pub rates: BTreeMap<String, Money>,
    /// Where it was read.
    pub source: String,
}

impl Store {
    /// Adds a price. Of two for the same model and moment, the one added later holds.
    pub async fn price_put(&self, new: NewPrice) -> Result<Price, StoreError> {
        if new.rates.values().any(|rate| *rate < Money::ZERO) {
            return Err(StoreError::invalid("a price", "must not be negative"));
        }
        let created_at = self.now();
        let price = Price {
            id: id::time_ordered("price_", created_at, self.rng()),
            provider: checked_name("a price's provider", &new.provider)?.into(),
            model: checked_name("a price's model", &new.model)?.into(),
            effective_from: new.effective_from,
            rates: new.rates,
            source: checked_name("a price's source", &new.source)?.into(),
            created_at,
        };
        let mut change = self.change().await?;
        sqlx::query(
            "INSERT INTO price (id, provider, model, effective_from, rates, source, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(price.id.as_str())
        .bind(price.provider.as_str())
        .bind(price.model.as_str())
        .bind(price.effective_from.as_micros())
        .bind(to_json("rates", &price.rates)?)
        .bind(price.source.as_str())
        .bind(created_at.as_micros())
        .execute(change.connection())
        .await?;
        let Price { id, provider, model, effective_from, rates, source, .. } = &price;
        let created = Event::of_installation("kijun.price.created").on("price", id).after(json!({
            "provider": provider, "model": model, "effective_from": effective_from,
            "rates": rates, "source": source,
        }));
        change.commit(created).await?;
        Ok(price)
    }

    /// All prices, the earliest in force first, and of one moment the earliest added first: the
    /// last one that fits a call is the one that holds.
    pub async fn price_list(&self) -> Result<Vec<Price>, StoreError> {
        let rows = sqlx::query("SELECT * FROM price ORDER BY effective_from, created_at, id")
            .fetch_all(&mut *self.read().await?)
            .await?;
        rows.iter().map(price).collect()
    }
}

fn price(row: &AnyRow) -> Result<Price, StoreError> {
    Ok(Price {
        id: row.text("id")?,
        provider: row.text("provider")?,
        model: row.text("model")?,
        effective_from: row.time("effective_from")?,
        rates: row.json("rates")?,
        source: row.text("source")?,
        created_at: row.time("created_at")?,
    })
}
