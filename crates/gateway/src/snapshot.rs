//! What a node knows of keys, limits, models and prices: one immutable value, swapped whole when
//! something changes. A call reads one snapshot from its beginning to its end, and no database.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use admission::{Budgets, ModelLists, Rules};
use identity::Directory;
use kernel::catalog::{ModelSpec, ProviderSpec};
use kernel::{OrganizationId, ProjectId, Retention, RetentionSetting, ServiceTier};
use providers::{Provider, Rack, UpstreamModel};
use store::{ProjectService, ProjectServiceRow, RetentionRow};

use crate::discovery::Found;
use crate::identify::Owner;
use crate::price::{PriceTable, is_vendor_endpoint};
use crate::route::{Alias, Routes};
use crate::target::{Target, Wards};

/// One state of the world.
#[derive(Debug)]
pub struct Snapshot {
    /// Who is who.
    pub directory: Directory,
    /// Which models each project may use.
    pub models: ModelLists,
    /// What there is to call, and at which limits and prices.
    pub catalogue: Arc<Catalogue>,
    /// What may be spent.
    pub budgets: Budgets,
    /// Which service tiers a project's calls may have, where that was set.
    pub(crate) services: HashMap<ProjectId, ProjectService>,
    /// How long content is kept where that was set: by organisation, and by project.
    pub(crate) retention: Retentions,
    /// The store's generation that this was read at.
    pub generation: i64,
}

/// What there is to call, and at which limits and prices.
#[derive(Debug)]
pub struct Catalogue {
    /// The limits.
    pub rules: Rules,
    /// The aliases.
    pub routes: Routes,
    /// The prices.
    pub prices: PriceTable,
    /// The providers, by name.
    pub providers: HashMap<Arc<str>, NamedProvider>,
}

impl Deref for Snapshot {
    type Target = Catalogue;
    fn deref(&self) -> &Catalogue {
        &self.catalogue
    }
}

/// What was set about how long content is kept.
#[derive(Debug, Default)]
pub(crate) struct Retentions {
    organizations: HashMap<OrganizationId, RetentionSetting>,
    projects: HashMap<ProjectId, RetentionSetting>,
}

impl Retentions {
    pub(crate) fn new(rows: Vec<RetentionRow>) -> Self {
        let mut all = Self::default();
        for row in rows {
            match row.project {
                Some(project) => all.projects.insert(project, row.setting),
                None => all.organizations.insert(row.organization, row.setting),
            };
        }
        all
    }
}

/// What was set about the tiers of projects.
pub(crate) fn services(rows: Vec<ProjectServiceRow>) -> HashMap<ProjectId, ProjectService> {
    rows.into_iter().map(|row| (row.project, row.service)).collect()
}

impl Snapshot {
    /// How urgent a project's call is that asks for this tier, or for none. A tier that the project
    /// may not ask for is the one that its calls have anyway.
    pub(crate) fn tier(&self, project: &ProjectId, asked: Option<ServiceTier>) -> ServiceTier {
        match self.services.get(project) {
            Some(service) => {
                asked.filter(|tier| service.tiers.contains(tier)).unwrap_or(service.default_tier)
            }
            // Nobody may be more urgent than others unless an administrator says so.
            None => asked.unwrap_or_default().min(ServiceTier::Default),
        }
    }

    /// How long an owner's content may be kept.
    pub(crate) fn retention(&self, owner: &Owner) -> Retention {
        let set = &self.retention;
        Retention::of(
            set.organizations.get(&owner.organization).copied(),
            set.projects.get(&owner.project).copied(),
        )
    }
}

/// A configured provider and what speaks to it.
#[derive(Debug, Clone)]
pub struct NamedProvider {
    /// As configured.
    pub spec: Arc<ProviderSpec>,
    /// What speaks to it.
    pub provider: Arc<dyn Provider>,
}

/// The providers of a catalogue, made ready. One that cannot be built is told and left out, so
/// that it takes nobody else down; `kijun check` and the API refuse it beforehand.
pub(crate) fn build_providers(
    specs: &[ProviderSpec],
    rack: &Rack,
    old: Option<&Snapshot>,
) -> HashMap<Arc<str>, NamedProvider> {
    let mut built = HashMap::new();
    for spec in specs {
        let name: Arc<str> = spec.name.as_str().into();
        if built.contains_key(&name) {
            continue;
        }
        // An unchanged provider is kept.
        let kept = old.and_then(|old| old.providers.get(&name)).filter(|old| same(&old.spec, spec));
        let named = match kept {
            Some(kept) => kept.clone(),
            None => match rack.build(spec) {
                Ok(provider) => NamedProvider { spec: Arc::new(spec.clone()), provider },
                Err(error) => {
                    tracing::error!(provider = %name, %error, "a provider cannot be used");
                    continue;
                }
            },
        };
        built.insert(name, named);
    }
    built
}

/// The aliases of a catalogue: those written down, then every model of a `discover` provider that
/// no alias has taken, in the catalogue's order.
pub(crate) fn build_routes(
    models: &[ModelSpec],
    order: &[ProviderSpec],
    providers: &HashMap<Arc<str>, NamedProvider>,
    found: &Found,
    wards: &Wards,
) -> Routes {
    let written = models.iter().map(|model| {
        let targets = model.targets.iter().filter_map(|spec| {
            let named = providers.get(spec.provider.as_str());
            if named.is_none() {
                tracing::error!(
                    model = model.name,
                    provider = spec.provider,
                    "a model names a provider that does not exist"
                );
            }
            let mut target = target(named?, &spec.model, wards);
            target.weight = spec.weight;
            target.operations.clone_from(&spec.operations);
            Some(Arc::new(target))
        });
        Alias {
            name: model.name.as_str().into(),
            created: 0,
            owned_by: "kijun".into(),
            targets: targets.collect(),
            fallbacks: model.fallbacks.clone(),
        }
    });
    let discovered = order.iter().filter(|spec| spec.discover).flat_map(|spec| {
        let named = providers.get(spec.name.as_str());
        let listed = named.map(|named| (named, found.models(&spec.name)));
        listed.into_iter().flat_map(|(named, models)| {
            let alias = |model: &UpstreamModel| Alias {
                name: model.id.as_str().into(),
                created: model.created,
                owned_by: model.owned_by.as_str().into(),
                targets: vec![Arc::new(target(named, &model.id, wards))],
                fallbacks: Vec::new(),
            };
            models.iter().map(alias).collect::<Vec<_>>()
        })
    });
    Routes::new(written.chain(discovered))
}

fn target(named: &NamedProvider, model: &str, wards: &Wards) -> Target {
    let spec = &named.spec;
    let provider_name: Arc<str> = spec.name.as_str().into();
    let model: Arc<str> = model.into();
    Target {
        health: wards.health(&provider_name, &model),
        provider_name,
        provider_kind: spec.kind.as_str().into(),
        vendor_endpoint: is_vendor_endpoint(&spec.kind, spec.base_url.as_deref())
            && spec.quirks.as_deref().is_none_or(|quirks| quirks == spec.kind),
        model,
        weight: 1,
        operations: Vec::new(),
        provider: Arc::clone(&named.provider),
        timeouts: spec.timeouts,
        max_concurrent: spec.max_concurrent,
    }
}

/// Whether two specifications build the same provider. Secrets are compared, never shown.
fn same(a: &ProviderSpec, b: &ProviderSpec) -> bool {
    use secrecy::ExposeSecret as _;
    let key = |spec: &ProviderSpec| spec.api_key.as_ref().map(|key| key.expose_secret().to_owned());
    a.kind == b.kind
        && a.base_url == b.base_url
        && key(a) == key(b)
        && a.quirks == b.quirks
        && a.api_version == b.api_version
        && a.headers == b.headers
        && a.timeouts == b.timeouts
        && a.max_concurrent == b.max_concurrent
        && a.discover == b.discover
}
