//! `kijun check`

use gateway::catalog::Catalog;
use kernel::catalog::ProviderSpec;
use providers::{Failure, UpstreamModel};

use super::{Failed, print};
use crate::app::{self, Effects};
use crate::config::{Config, Environment};
use crate::data_dir::DataDir;
use crate::tls::Tls;
use crate::{banner, local_servers};

/// Checks the configuration, then asks every provider for its models.
pub(super) async fn run(config: Config, environment: Environment) -> Result<(), Failed> {
    let effects = Effects::of_system();
    let rack = app::rack(&config, &effects);
    let catalog = app::catalog(&config, &environment, config.server.listen, &rack).await?;
    Tls::open(&config.server.tls, effects.clock.clone())?;
    config.otlp(&environment, "")?;
    config.mail(&environment)?;
    config.metrics(&environment)?;
    print::line("The configuration is sound.");
    let catalog = with_live(catalog, &config, &environment, &effects).await?;
    let mut unreachable = 0;
    for spec in &catalog.providers {
        let answer = rack.build(spec)?.models().await;
        if answer.is_err() && !local_servers::guessed(spec) {
            unreachable += 1;
        }
        print::line(&told(spec, &answer));
        for note in notes(spec, &answer.unwrap_or_default(), &catalog) {
            print::line(&format!("    note: {note}"));
        }
    }
    match unreachable {
        0 => Ok(()),
        1 => Err(Failed::new("one provider could not be reached")),
        many => Err(Failed::new(format!("{many} providers could not be reached"))),
    }
}

/// The catalogue with what was made live, if there is a database yet. Looking makes none.
async fn with_live(
    mut catalog: Catalog,
    config: &Config,
    environment: &Environment,
    effects: &Effects,
) -> Result<Catalog, Failed> {
    if app::database_file(config).is_some_and(|file| !file.exists()) {
        return Ok(catalog);
    }
    let data_dir = DataDir::open(&config.server.data_dir)?;
    let store = app::open_store(config, environment, &data_dir, effects).await?;
    catalog.providers = catalog.providers_with(store.provider_list().await?);
    catalog.models = catalog.models_with(store.model_list().await?);
    Ok(catalog)
}

fn told(spec: &ProviderSpec, answer: &Result<Vec<UpstreamModel>, Failure>) -> String {
    let ProviderSpec { name, kind, .. } = spec;
    match answer {
        Ok(models) => format!("  {name} ({kind}): answers, {} models", models.len()),
        Err(failure) if local_servers::guessed(spec) => format!(
            "  note: something listens where {name} usually does, but answers as no model server: \
             {failure}"
        ),
        Err(failure) => format!("  {name} ({kind}): {failure}"),
    }
}

/// What may be meant otherwise.
fn notes(spec: &ProviderSpec, listed: &[UpstreamModel], catalog: &Catalog) -> Vec<String> {
    let targets = catalog.models.iter().flat_map(|model| &model.targets);
    let served: Vec<_> = targets.filter(|target| target.provider == spec.name).collect();
    if spec.kind == "azure" && served.is_empty() {
        return vec![banner::name_deployments(&spec.name)];
    }
    let unlisted = served
        .iter()
        .filter(|target| !listed.is_empty() && listed.iter().all(|model| model.id != target.model));
    unlisted.map(|target| format!("it does not list `{}`", target.model)).collect()
}

#[cfg(test)]
mod tests {
    use kernel::catalog::{FailureClass, ModelSpec, Source, TargetSpec};

    use super::*;
    use crate::config::found;

    #[test]
    fn a_guess_that_was_wrong_is_a_note() {
        let failure = || Err(Failure::silent(FailureClass::Connection, "no model server"));
        let url = Some("http://127.0.0.1:8000/v1");
        let guess = found("vllm", "openai", url, Source::Environment);
        assert!(told(&guess, &failure()).contains("note"), "{}", told(&guess, &failure()));
        let named = found("vllm", "openai", url, Source::File);
        assert!(told(&named, &failure()).starts_with("  vllm (openai): "));
    }

    #[test]
    fn azure_without_a_deployment_says_how_to_name_one() {
        let azure = found("azure", "azure", Some("https://x.example"), Source::Environment);
        let mut catalog = Config::load(None, &Environment::of(&[]))
            .unwrap()
            .catalog(&Environment::of(&[]), Vec::new())
            .unwrap();
        let [note] = &notes(&azure, &[], &catalog)[..] else { panic!("one note") };
        assert!(note.contains("--target azure/DEPLOYMENT"), "{note}");
        catalog.models.push(ModelSpec {
            name: "mine".into(),
            targets: vec![TargetSpec {
                provider: "azure".into(),
                model: "my-deployment".into(),
                weight: 1,
                operations: Vec::new(),
            }],
            fallbacks: Vec::new(),
            source: Source::File,
        });
        assert!(notes(&azure, &[], &catalog).is_empty());
    }
}
