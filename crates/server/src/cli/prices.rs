//! `kijun prices`: prices over the configuration file's and the vendors' lists.

use clap::{Args, Subcommand};
use gateway::price::{LongPrompt, PriceRow, WrittenPrice};

use super::session::Session;
use super::{Failed, print};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Add a price, in dollars per million tokens. It is never changed: a later one takes its place.
    Add(Box<Terms>),
    /// List the prices that were added.
    List,
}

#[derive(Debug, Args)]
pub(super) struct Terms {
    /// A provider's name, a vendor's kind (its own endpoint only), or '*' for all.
    #[arg(long)]
    provider: String,
    /// The upstream model, or the start of many names with '*' at the end.
    #[arg(long)]
    model: String,
    /// The first day on which it holds, in UTC.
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: String,
    /// Input.
    #[arg(long, value_name = "DOLLARS")]
    input: String,
    /// Input read from the prompt cache; left out: as input.
    #[arg(long, value_name = "DOLLARS")]
    cached_input: Option<String>,
    /// Input written to the prompt cache; left out: as input.
    #[arg(long, value_name = "DOLLARS")]
    cache_write: Option<String>,
    /// Audio in the input; left out: as input.
    #[arg(long, value_name = "DOLLARS")]
    audio_input: Option<String>,
    /// Images in the input; left out: as input.
    #[arg(long, value_name = "DOLLARS")]
    image_input: Option<String>,
    /// Output, reasoning included.
    #[arg(long, value_name = "DOLLARS")]
    output: String,
    /// Audio in the output; left out: as output.
    #[arg(long, value_name = "DOLLARS")]
    audio_output: Option<String>,
    /// Above so many input tokens the whole call has the prices of a long prompt.
    #[arg(long, value_name = "TOKENS", requires_all = ["long_input", "long_output"])]
    long_above: Option<u64>,
    /// Input of a call with a long prompt.
    #[arg(long, value_name = "DOLLARS", requires = "long_above")]
    long_input: Option<String>,
    /// Output of a call with a long prompt.
    #[arg(long, value_name = "DOLLARS", requires = "long_above")]
    long_output: Option<String>,
    /// Where it was read: a contract, a page and its date.
    #[arg(long)]
    source: String,
}

pub(super) async fn run(verb: Verb, session: Session) -> Result<(), Failed> {
    let Session { store, catalog, .. } = &session;
    match verb {
        Verb::Add(terms) => print::line(&catalog.price_add(store, (*terms).into()).await?.id),
        Verb::List => {
            let mut rows: Vec<[String; 7]> = Vec::new();
            for price in store.price_list().await? {
                let id = price.id.clone();
                rows.push(row(id, PriceRow::try_from(price)?.written()));
            }
            print::table(["ID", "PROVIDER", "MODEL", "FROM", "INPUT", "OUTPUT", "SOURCE"], &rows);
        }
    }
    Ok(())
}

impl From<Terms> for WrittenPrice {
    fn from(terms: Terms) -> Self {
        let long_prompt = terms.long_above.map(|above_input_tokens| LongPrompt {
            above_input_tokens,
            input: terms.long_input,
            output: terms.long_output,
            ..LongPrompt::default()
        });
        Self {
            provider: terms.provider,
            model: terms.model,
            effective_from: terms.from,
            input: terms.input,
            cached_input: terms.cached_input,
            cache_write: terms.cache_write,
            audio_input: terms.audio_input,
            image_input: terms.image_input,
            output: terms.output,
            audio_output: terms.audio_output,
            long_prompt,
            source: terms.source,
            ..Self::default()
        }
    }
}

fn row(id: String, price: &WrittenPrice) -> [String; 7] {
    [
        id,
        price.provider.clone(),
        price.model.clone(),
        price.effective_from.clone(),
        price.input.clone(),
        price.output.clone(),
        price.source.clone(),
    ]
}
