//! The catalogue of providers and models: what the configuration file and the environment say,
//! joined with what was made live; and the rules for making it live.
//!
//! What stands in the file is changed in the file: of two with one name the file's is used, and
//! changing it by API or shell is refused.

use kernel::OrganizationId;
use kernel::catalog::{ModelSpec, ProviderSpec, Source};
use kernel::limit::Limit;
use providers::Rack;
use secrecy::SecretString;
use store::{OwnedLimit, Price, Store, StoreError};

use crate::price::{PriceError, PriceRow, PriceTable, WrittenPrice};

/// The longest name of a provider or model.
const LONGEST_NAME: usize = 200;

/// What is written down outside the database.
#[derive(Debug)]
pub struct Catalog {
    /// Providers of the file and the environment, and the built-in one.
    pub providers: Vec<ProviderSpec>,
    /// Models of the file, and the built-in ones.
    pub models: Vec<ModelSpec>,
    /// Limits of the file; they hold in every organisation.
    pub limits: Vec<Limit>,
    /// The vendors' list prices with the file's over them.
    pub prices: PriceTable,
}

/// Why the catalogue cannot be changed so.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The value is wrong: which one and how to mend it.
    #[error("{message}")]
    Invalid {
        /// The field.
        param: &'static str,
        /// What is wrong with it, and how to mend it.
        message: String,
    },
    /// It stands in the configuration file.
    #[error("{what} `{name}` is {place}")]
    DefinedElsewhere {
        /// `provider` or `model`.
        what: &'static str,
        /// Its name.
        name: String,
        /// Where it is defined, and what to do.
        place: &'static str,
    },
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Catalog {
    /// All providers: the file's and environment's first.
    pub fn providers_with(&self, live: Vec<ProviderSpec>) -> Vec<ProviderSpec> {
        let mut all = self.providers.clone();
        all.extend(live.into_iter().filter(|spec| self.provider(&spec.name).is_none()));
        all
    }

    /// All models: the file's first.
    pub fn models_with(&self, live: Vec<ModelSpec>) -> Vec<ModelSpec> {
        let mut all = self.models.clone();
        all.extend(live.into_iter().filter(|spec| self.model(&spec.name).is_none()));
        all
    }

    /// All limits, each with its organisation.
    pub fn limits_with(
        &self,
        directory: &store::Directory,
        live: Vec<OwnedLimit>,
    ) -> Vec<(OrganizationId, Limit)> {
        let everywhere = directory.organizations.iter().flat_map(|organization| {
            self.limits.iter().map(|limit| (organization.id.clone(), limit.clone()))
        });
        everywhere.chain(live.into_iter().map(|owned| (owned.organization, owned.limit))).collect()
    }

    /// All prices: those made live win over the file's, which win over the lists.
    pub fn prices_with(&self, live: Vec<Price>) -> PriceTable {
        let rows = live.into_iter().filter_map(|price| {
            PriceRow::try_from(price)
                .inspect_err(|error| tracing::error!(%error, "a price cannot be used"))
                .ok()
        });
        self.prices.with_overrides(rows.collect())
    }

    fn provider(&self, name: &str) -> Option<&ProviderSpec> {
        self.providers.iter().find(|spec| spec.name == name)
    }

    fn model(&self, name: &str) -> Option<&ModelSpec> {
        self.models.iter().find(|spec| spec.name == name)
    }

    /// Writes a provider down, after the rack has agreed that it can be built.
    ///
    /// # Errors
    /// [`CatalogError`]; nothing is written then.
    pub async fn provider_put(
        &self,
        store: &Store,
        rack: &Rack,
        spec: &ProviderSpec,
    ) -> Result<(), CatalogError> {
        self.provider_is_live(&spec.name)?;
        check_name("name", &spec.name)?;
        rack.build(spec).map_err(|error| CatalogError::Invalid {
            param: "provider",
            message: error.to_string(),
        })?;
        Ok(store.provider_put(spec).await?)
    }

    /// Gives a provider another credential. All else of it stays.
    ///
    /// # Errors
    /// [`CatalogError`]; nothing is changed then.
    pub async fn provider_set_key(
        &self,
        store: &Store,
        name: &str,
        key: &SecretString,
    ) -> Result<(), CatalogError> {
        self.provider_is_live(name)?;
        Ok(store.provider_update_key(name, Some(key)).await?)
    }

    /// Adds a price. Prices are never taken back, so that old costs can always be shown.
    ///
    /// # Errors
    /// [`CatalogError`]; nothing is written then.
    pub async fn price_add(
        &self,
        store: &Store,
        written: WrittenPrice,
    ) -> Result<Price, CatalogError> {
        let wrong = |error: PriceError| invalid("price", error.to_string());
        let new = PriceRow::try_from(written).and_then(|row| row.to_stored()).map_err(wrong)?;
        Ok(store.price_put(new).await?)
    }

    /// Takes a provider away. Models that refer to it stand in the way.
    ///
    /// # Errors
    /// [`CatalogError`]; nothing is changed then.
    pub async fn provider_delete(&self, store: &Store, name: &str) -> Result<(), CatalogError> {
        self.provider_is_live(name)?;
        Ok(store.provider_delete(name).await?)
    }

    /// Writes a model down, after its providers and fallbacks were found.
    ///
    /// # Errors
    /// [`CatalogError`]; nothing is written then.
    pub async fn model_put(&self, store: &Store, spec: &ModelSpec) -> Result<(), CatalogError> {
        self.model_is_live(&spec.name)?;
        let providers = self.providers_with(store.provider_list().await?);
        check_model(spec, &providers)?;
        Ok(store.model_put(spec).await?)
    }

    /// Takes a model away.
    ///
    /// # Errors
    /// [`CatalogError`]; nothing is changed then.
    pub async fn model_delete(&self, store: &Store, name: &str) -> Result<(), CatalogError> {
        self.model_is_live(name)?;
        Ok(store.model_delete(name).await?)
    }

    /// Checks the whole catalogue, as `kijun check` and every start do.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, rack: &Rack) -> Result<(), CatalogError> {
        for (at, spec) in self.providers.iter().enumerate() {
            check_name("providers.name", &spec.name)?;
            if self.providers.iter().take(at).any(|other| other.name == spec.name) {
                return Err(invalid(
                    "providers.name",
                    format!("two providers are named `{}`", spec.name),
                ));
            }
            rack.build(spec).map_err(|error| invalid("providers", error.to_string()))?;
        }
        for (at, spec) in self.models.iter().enumerate() {
            if self.models.iter().take(at).any(|other| other.name == spec.name) {
                return Err(invalid(
                    "models.name",
                    format!("two models are named `{}`", spec.name),
                ));
            }
            check_model(spec, &self.providers)?;
        }
        Ok(())
    }

    fn provider_is_live(&self, name: &str) -> Result<(), CatalogError> {
        self.provider(name)
            .map_or(Ok(()), |spec| Err(defined_elsewhere("provider", name, spec.source)))
    }

    fn model_is_live(&self, name: &str) -> Result<(), CatalogError> {
        self.model(name).map_or(Ok(()), |spec| Err(defined_elsewhere("model", name, spec.source)))
    }
}

fn check_name(param: &'static str, name: &str) -> Result<(), CatalogError> {
    let visible = |c: char| c.is_ascii_graphic();
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(visible) {
        return Err(invalid(
            param,
            format!("`{name}` is no name: use 1 to {LONGEST_NAME} visible ASCII characters"),
        ));
    }
    Ok(())
}

/// A model's targets must name providers that exist. Fallbacks may name models that a provider
/// is yet to list, so a name is all that is asked of them; but never the model itself.
fn check_model(spec: &ModelSpec, providers: &[ProviderSpec]) -> Result<(), CatalogError> {
    check_name("name", &spec.name)?;
    if spec.targets.is_empty() {
        return Err(invalid(
            "targets",
            format!(
                "model `{}` has no target: add {{ provider = \"...\", model = \"...\" }}",
                spec.name
            ),
        ));
    }
    for target in &spec.targets {
        if !providers.iter().any(|provider| provider.name == target.provider) {
            let known: Vec<&str> =
                providers.iter().map(|provider| provider.name.as_str()).collect();
            return Err(invalid(
                "targets.provider",
                format!(
                    "model `{}` names the provider `{}`, which does not exist; there are: {}",
                    spec.name,
                    target.provider,
                    known.join(", "),
                ),
            ));
        }
        if target.model.is_empty() {
            return Err(invalid(
                "targets.model",
                format!("a target of model `{}` names no model", spec.name),
            ));
        }
        // It goes into bodies, paths and logs; a provider may have chosen letters of its own.
        if target.model.chars().count() > LONGEST_NAME || target.model.contains(char::is_control) {
            return Err(invalid(
                "targets.model",
                format!(
                    "a target of model `{}` names a model that no provider has: use at most \
                     {LONGEST_NAME} characters, and no control characters",
                    spec.name
                ),
            ));
        }
    }
    if spec.fallbacks.iter().any(|fallback| fallback.model == spec.name) {
        return Err(invalid("fallbacks", format!("model `{}` falls back on itself", spec.name)));
    }
    Ok(())
}

fn invalid(param: &'static str, message: String) -> CatalogError {
    CatalogError::Invalid { param, message }
}

fn defined_elsewhere(what: &'static str, name: &str, source: Source) -> CatalogError {
    let place = match source {
        Source::File => "defined in the configuration file; change it there",
        Source::Environment => "found in the environment; define one of that name in the file",
        Source::BuiltIn => "built in and cannot be changed",
        Source::Database => "defined in the database",
    };
    CatalogError::DefinedElsewhere { what, name: name.to_owned(), place }
}
