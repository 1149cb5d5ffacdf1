//! Which limits apply to a call: compiled from the snapshot, so that a call looks up and never
//! searches.

use std::collections::HashMap;

use kernel::limit::{Limit, LimitScope};
use kernel::{ApiKeyId, OrganizationId, ProjectId};

/// Whose call it is, for which model.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The organisation.
    pub organization: &'a OrganizationId,
    /// The project.
    pub project: &'a ProjectId,
    /// The key.
    pub key: &'a ApiKeyId,
    /// The end user that the request names. Limits per user pass a request that names none: the
    /// limits of its key and project hold it.
    pub end_user: Option<&'a str>,
    /// The model alias.
    pub model: &'a str,
}

impl<'a> Subject<'a> {
    /// The name that a limit of this scope counts by.
    pub(crate) fn name(&self, scope: LimitScope) -> Option<&'a str> {
        match scope {
            LimitScope::Organization => Some(self.organization.as_str()),
            LimitScope::Project => Some(self.project.as_str()),
            LimitScope::Key => Some(self.key.as_str()),
            LimitScope::User => self.end_user,
            LimitScope::Model => Some(self.model),
        }
    }

    /// Within what that name is unique.
    pub(super) fn realm(&self, scope: LimitScope) -> &'a str {
        match scope {
            LimitScope::User => self.project.as_str(),
            _ => self.organization.as_str(),
        }
    }
}

/// The limits of all organisations. All that apply to a call hold at once, so the tightest decides.
#[derive(Debug, Default)]
pub struct Rules {
    organizations: HashMap<OrganizationId, OrganizationRules>,
}

#[derive(Debug, Default)]
struct OrganizationRules {
    /// Limits on each subject of their scope.
    each: Vec<Limit>,
    /// Limits on one subject, by scope and subject: there may be one for every key.
    named: Vec<(LimitScope, HashMap<String, Vec<Limit>>)>,
}

impl Rules {
    /// Compiles the limits of every organisation.
    pub fn new(limits: impl IntoIterator<Item = (OrganizationId, Limit)>) -> Self {
        let mut rules = Self::default();
        for (organization, limit) in limits {
            rules.organizations.entry(organization).or_default().add(limit);
        }
        rules
    }

    /// The limits that apply to a call of this subject.
    pub(super) fn applying<'r>(
        &'r self,
        subject: &'r Subject<'_>,
    ) -> impl Iterator<Item = &'r Limit> {
        self.organizations.get(subject.organization).into_iter().flat_map(|rules| {
            let named = rules.named.iter().filter_map(|(scope, by_subject)| {
                subject.name(*scope).and_then(|name| by_subject.get(name))
            });
            rules
                .each
                .iter()
                .filter(|limit| subject.name(limit.scope).is_some())
                .chain(named.flatten())
                .filter(|limit| limit.model.as_deref().is_none_or(|model| model == subject.model))
        })
    }
}

impl OrganizationRules {
    fn add(&mut self, limit: Limit) {
        let Some(subject) = limit.subject.clone() else {
            self.each.push(limit);
            return;
        };
        match self.named.iter_mut().find(|(scope, _)| *scope == limit.scope) {
            Some((_, by_subject)) => by_subject.entry(subject).or_default().push(limit),
            None => self.named.push((limit.scope, HashMap::from([(subject, vec![limit])]))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::limit::LimitMeasure;

    fn limit(id: &str, scope: LimitScope, subject: Option<&str>, model: Option<&str>) -> Limit {
        Limit {
            id: id.into(),
            scope,
            subject: subject.map(Into::into),
            model: model.map(Into::into),
            measure: LimitMeasure::RequestsPerMinute,
            amount: 1,
        }
    }

    #[test]
    fn exactly_the_limits_that_fit_apply() {
        let ours = OrganizationId::from("org-1");
        let fits = [
            limit("organization", LimitScope::Organization, None, None),
            limit("this project", LimitScope::Project, Some("proj_1"), None),
            limit("each key", LimitScope::Key, None, None),
            limit("this key", LimitScope::Key, Some("key_1"), Some("gpt")),
            limit("this key again", LimitScope::Key, Some("key_1"), None),
            limit("each user", LimitScope::User, None, None),
            limit("this model", LimitScope::Model, Some("gpt"), None),
        ];
        let others = [
            limit("other project", LimitScope::Project, Some("proj_2"), None),
            limit("other key", LimitScope::Key, Some("key_2"), None),
            limit("other user", LimitScope::User, Some("someone else"), None),
            limit("other model of this key", LimitScope::Key, Some("key_1"), Some("claude")),
            limit("other model", LimitScope::Model, Some("claude"), None),
        ];
        let foreign = limit("foreign", LimitScope::Organization, None, None);
        let rules = Rules::new(
            fits.iter()
                .chain(&others)
                .map(|limit| (ours.clone(), limit.clone()))
                .chain([(OrganizationId::from("org-2"), foreign)]),
        );
        let (project, key) = (ProjectId::from("proj_1"), ApiKeyId::from("key_1"));
        let mut subject = Subject {
            organization: &ours,
            project: &project,
            key: &key,
            end_user: Some("ada"),
            model: "gpt",
        };
        let ids = |subject: &Subject<'_>| {
            let mut ids: Vec<String> =
                rules.applying(subject).map(|limit| limit.id.to_string()).collect();
            ids.sort();
            ids
        };
        let mut expected: Vec<String> = fits.iter().map(|limit| limit.id.to_string()).collect();
        expected.sort();
        assert_eq!(ids(&subject), expected);
        subject.end_user = None;
        expected.retain(|id| id != "each user");
        assert_eq!(ids(&subject), expected);
    }
}
