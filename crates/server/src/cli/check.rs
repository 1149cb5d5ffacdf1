//! `kijun check`

use super::{Failed, print, session};
use crate::app::{self, Effects};
use crate::config::{Config, Environment};

/// Checks the configuration, then asks every provider for its models.
pub(super) async fn run(config: Config, environment: Environment) -> Result<(), Failed> {
    let effects = Effects::of_system();
    let rack = app::rack(&effects);
    let catalog = app::catalog(&config, &environment, session::NOBODY, &rack).await?;
    print::line("The configuration is sound.");
    let mut unreachable = 0;
    for spec in &catalog.providers {
        let provider = rack.build(spec)?;
        match provider.models().await {
            Ok(models) => {
                print::line(&format!("  {} ({}): answers, {} models", spec.name, spec.kind, models.len()));
                let served = catalog.models.iter().flat_map(|model| &model.targets);
                for target in served.filter(|target| target.provider == spec.name) {
                    let listed = models.iter().any(|model| model.id == target.model);
                    if !listed && !models.is_empty() {
                        print::line(&format!("    note: it does not list `{}`", target.model));
                    }
                }
            }
            Err(failure) => {
                unreachable += 1;
                print::line(&format!("  {} ({}): {failure}", spec.name, spec.kind));
            }
        }
    }
    match unreachable {
        0 => Ok(()),
        1 => Err(Failed::new("one provider could not be reached")),
        many => Err(Failed::new(format!("{many} providers could not be reached"))),
    }
}
