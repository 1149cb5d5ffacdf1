//! How long content is kept: what may be set, and what follows from it.

use kernel::{DEFAULT_RETENTION_DAYS, Retention, RetentionSetting, RetentionType, Scope};
use store::{Store, StoreError};

/// The most days for which content may be kept: ten years.
const MOST_DAYS: u32 = 3_650;

/// What an organisation has that never set anything.
const FIRST: RetentionSetting = RetentionSetting {
    kind: RetentionType::ModifiedAbuseMonitoring,
    days: Some(DEFAULT_RETENTION_DAYS),
};

/// Why a setting was not written down.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// A value that is not allowed.
    #[error("`{field}` {reason}")]
    Invalid {
        /// Which value.
        field: &'static str,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is to be set about the days.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Days {
    /// They stay as they are, so that a client that knows only of kinds deletes nothing by
    /// mistake.
    #[default]
    Same,
    /// A project has its organisation's, an organisation the default.
    Default,
    /// So many.
    Exactly(u32),
}

/// What an organisation or a project has set, and what follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shown {
    /// The kind that is set.
    pub kind: RetentionType,
    /// What holds.
    pub holds: Retention,
}

/// What is set for the scope's project, or for the whole organisation.
///
/// # Errors
/// There is no such project in the scope; the store.
pub async fn get(store: &Store, scope: &Scope) -> Result<Shown, SettingError> {
    let whole = Scope::organization(scope.organization.clone());
    let organization = store.retention_get(&whole).await?;
    let Some(project) = &scope.project else {
        let kind = organization.unwrap_or(FIRST).kind;
        return Ok(Shown { kind, holds: Retention::of(organization, None) });
    };
    store.project_get(scope, project).await?;
    let own = store.retention_get(scope).await?;
    let kind = own.map_or(RetentionType::OrganizationDefault, |own| own.kind);
    Ok(Shown { kind, holds: Retention::of(organization, own) })
}

/// Sets it. Running nodes keep to it as soon as they see it.
///
/// # Errors
/// A kind that only projects have, days out of bounds, or no such project; the store.
pub async fn put(
    store: &Store,
    scope: &Scope,
    kind: RetentionType,
    days: Days,
) -> Result<Shown, SettingError> {
    if let Days::Exactly(count) = days
        && !(1..=MOST_DAYS).contains(&count)
    {
        let reason = format!(
            "must be from 1 to {MOST_DAYS}; to keep nothing, set the type `zero_data_retention`"
        );
        return Err(invalid("retention_days", reason));
    }
    let only_projects = [RetentionType::OrganizationDefault, RetentionType::None];
    if scope.project.is_none() && only_projects.contains(&kind) {
        let reason = "must be one of zero_data_retention, modified_abuse_monitoring, \
                      enhanced_zero_data_retention, enhanced_modified_abuse_monitoring for an \
                      organization; `organization_default` and `none` are for projects";
        return Err(invalid("retention_type", reason));
    }
    let days = match days {
        Days::Same => store.retention_get(scope).await?.and_then(|set| set.days),
        Days::Default => None,
        Days::Exactly(count) => Some(count),
    };
    store.retention_put(scope, RetentionSetting { kind, days }).await?;
    get(store, scope).await
}

fn invalid(field: &'static str, reason: impl Into<String>) -> SettingError {
    SettingError::Invalid { field, reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use RetentionType::{
        ModifiedAbuseMonitoring, None as Own, OrganizationDefault, ZeroDataRetention,
    };
    use kernel::{SystemClock, SystemRng};

    use super::*;

    async fn bench() -> (Store, Scope, Scope) {
        let store = Store::in_memory(Arc::new(SystemClock), Arc::new(SystemRng)).await.unwrap();
        let organization = store.organization_create("Acme").await.unwrap();
        let whole = Scope::organization(organization.id);
        let project = store.project_create(&whole, "Search").await.unwrap();
        let narrow = Scope { project: Some(project.id), ..whole.clone() };
        (store, whole, narrow)
    }

    fn shown(kind: RetentionType, zero: bool, days: u32) -> Shown {
        Shown { kind, holds: Retention { zero, days } }
    }

    #[tokio::test]
    async fn a_project_has_what_its_organization_has_until_it_has_its_own() {
        let (store, whole, narrow) = bench().await;
        let get = async |scope| get(&store, scope).await.unwrap();
        assert_eq!(get(&whole).await, shown(ModifiedAbuseMonitoring, false, 30));
        assert_eq!(get(&narrow).await, shown(OrganizationDefault, false, 30));
        let put = async |scope, kind, days| put(&store, scope, kind, days).await.unwrap();
        put(&whole, ZeroDataRetention, Days::Exactly(90)).await;
        assert_eq!(get(&narrow).await, shown(OrganizationDefault, true, 90));
        let own = put(&narrow, Own, Days::Exactly(7)).await;
        assert_eq!(own, shown(Own, false, 7));
        assert_eq!(put(&narrow, Own, Days::Same).await, own, "days that are not named stay");
        assert_eq!(put(&narrow, Own, Days::Default).await, shown(Own, false, 90));
        assert_eq!(get(&whole).await, shown(ZeroDataRetention, true, 90));
    }

    #[tokio::test]
    async fn what_cannot_hold_is_refused() {
        let (store, whole, narrow) = bench().await;
        for (scope, kind, days, at) in [
            (&whole, OrganizationDefault, Days::Same, "retention_type"),
            (&whole, Own, Days::Same, "retention_type"),
            (&narrow, Own, Days::Exactly(0), "retention_days"),
            (&narrow, Own, Days::Exactly(3_651), "retention_days"),
        ] {
            match put(&store, scope, kind, days).await {
                Err(SettingError::Invalid { field, .. }) => assert_eq!(field, at),
                other => panic!("{kind:?} {days:?}: {other:?}"),
            }
        }
        let nowhere = Scope { project: Some("proj_none".into()), ..whole };
        let missing = put(&store, &nowhere, Own, Days::Same).await;
        assert!(matches!(missing, Err(SettingError::Store(StoreError::NotFound { .. }))));
    }
}
