//! `kijun models`

use api::organization::written;
use clap::Subcommand;
use kernel::catalog::{Fallback, ModelSpec, Source, TargetSpec};

use super::document::{Document, already_there};
use super::session::Session;
use super::{Failed, print};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Add a model.
    Add {
        /// The name that clients use.
        name: String,
        /// What serves it: PROVIDER/MODEL, or PROVIDER/MODEL=WEIGHT; may be repeated.
        #[arg(long = "target", value_name = "TARGET", required = true, value_parser = target)]
        targets: Vec<TargetSpec>,
        /// A model to try when no target answers; may be repeated.
        #[arg(long = "fallback", value_name = "MODEL")]
        fallbacks: Vec<String>,
    },
    /// Make a model, or replace one whole, from the JSON of the API's POST /v1/organization/models.
    Put(Document),
    /// List the models that are written down; those that providers list come at run time.
    List,
    /// Remove a model.
    Remove {
        /// Its name.
        name: String,
    },
}

pub(super) async fn run(verb: Verb, session: Session) -> Result<(), Failed> {
    let Session { store, catalog, .. } = &session;
    match verb {
        Verb::Add { name, targets, fallbacks } => {
            if store.model_list().await?.iter().any(|model| model.name == name) {
                return Err(already_there("model", &name));
            }
            let fallbacks =
                fallbacks.into_iter().map(|model| Fallback { model, on: Vec::new() }).collect();
            let spec = ModelSpec { name, targets, fallbacks, source: Source::Database };
            catalog.model_put(store, &spec).await?;
        }
        Verb::Put(document) => {
            catalog.model_put(store, &document.read(written::model)?).await?;
        }
        Verb::List => {
            let models = catalog.models_with(store.model_list().await?);
            let rows: Vec<[String; 3]> = models.iter().map(row).collect();
            print::table(["NAME", "TARGETS", "FROM"], &rows);
        }
        Verb::Remove { name } => catalog.model_delete(store, &name).await?,
    }
    Ok(())
}

/// `provider/model=3`. Models' names may hold slashes, providers' are taken up to the first.
fn target(text: &str) -> Result<TargetSpec, String> {
    let wrong = || format!("`{text}` is no target such as openai/gpt-4o-mini or azure/my-model=3");
    let (provider, rest) = text.split_once('/').ok_or_else(wrong)?;
    let (model, weight) = match rest.rsplit_once('=') {
        Some((model, weight)) => (model, weight.parse().map_err(|_| wrong())?),
        None => (rest, 1),
    };
    if provider.is_empty() || model.is_empty() {
        return Err(wrong());
    }
    Ok(TargetSpec {
        provider: provider.to_owned(),
        model: model.to_owned(),
        weight,
        operations: Vec::new(),
    })
}

fn row(model: &ModelSpec) -> [String; 3] {
    let targets = model
        .targets
        .iter()
        .map(|target| format!("{}/{}={}", target.provider, target.model, target.weight));
    let targets = targets.collect::<Vec<_>>().join(", ");
    [model.name.clone(), targets, print::source(model.source).to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read() {
        let read = target("hub/meta/llama-4=3").unwrap();
        assert_eq!((read.provider.as_str(), read.model.as_str()), ("hub", "meta/llama-4"));
        assert_eq!(read.weight, 3);
        for wrong in ["openai", "/m", "p/", "p/m=many"] {
            assert!(target(wrong).is_err(), "{wrong}");
        }
    }
}
