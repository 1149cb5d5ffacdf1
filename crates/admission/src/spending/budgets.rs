//! Which hard budgets hold a call: compiled from the snapshot, so that a call looks up and never
//! searches. Soft budgets hold nobody; their spending is counted where records are written.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use kernel::limit::LimitScope;
use kernel::{Budget, Enforcement, OrganizationId, Spender, Timestamp};

use crate::Subject;

/// The hard budgets of all organisations. All that hold a call do so at once.
#[derive(Debug, Default)]
pub struct Budgets {
    organizations: HashMap<OrganizationId, OrganizationBudgets>,
}

#[derive(Debug, Default)]
struct OrganizationBudgets {
    /// Budgets of each subject of their scope.
    each: Vec<Rule>,
    /// Budgets of one subject, by scope and subject: there may be one for every key.
    named: Vec<(LimitScope, HashMap<String, Vec<Rule>>)>,
}

#[derive(Debug)]
struct Rule {
    budget: Budget,
    /// The period of the last call: most calls are of the same one, and a calendar is slow.
    period: Mutex<Range<Timestamp>>,
}

/// A budget that holds a call, and the account of it that the call counts to.
#[derive(Clone, Debug)]
pub(super) struct Want<'r> {
    pub(super) budget: &'r Budget,
    pub(super) subject: Cow<'r, str>,
    pub(super) period: Range<Timestamp>,
}

impl Budgets {
    /// Compiles the budgets of every organisation.
    pub fn new(budgets: impl IntoIterator<Item = Budget>) -> Self {
        let mut all = Self::default();
        for budget in budgets {
            if budget.enforcement == Enforcement::Hard {
                all.organizations.entry(budget.organization.clone()).or_default().add(budget);
            }
        }
        all
    }

    /// Whether there is none at all.
    pub fn is_empty(&self) -> bool {
        self.organizations.is_empty()
    }

    /// The budgets that hold a call of this subject that arrived at this moment.
    pub(super) fn holding<'r>(
        &'r self,
        subject: &Subject<'r>,
        at: Timestamp,
    ) -> impl Iterator<Item = Want<'r>> {
        let spender = Spender {
            project: subject.project.as_str(),
            key: subject.key.as_str(),
            end_user: subject.end_user,
            model: subject.model,
        };
        let subject = *subject;
        self.organizations.get(subject.organization).into_iter().flat_map(move |budgets| {
            let named = budgets.named.iter().filter_map(move |(scope, by_subject)| {
                subject.name(*scope).and_then(|name| by_subject.get(name))
            });
            budgets.each.iter().chain(named.flatten()).filter_map(move |rule| {
                let account = rule.budget.account(&spender)?;
                Some(Want { budget: &rule.budget, subject: account, period: rule.around(at) })
            })
        })
    }
}

impl OrganizationBudgets {
    fn add(&mut self, budget: Budget) {
        let rule = Rule { period: Mutex::new(Timestamp::MAX..Timestamp::MAX), budget };
        let scope = rule.budget.scope;
        let Some(subject) = rule.budget.subject.clone() else {
            self.each.push(rule);
            return;
        };
        match self.named.iter_mut().find(|(named, _)| *named == scope) {
            Some((_, by_subject)) => by_subject.entry(subject).or_default().push(rule),
            None => self.named.push((scope, HashMap::from([(subject, vec![rule])]))),
        }
    }
}

impl Rule {
    fn around(&self, at: Timestamp) -> Range<Timestamp> {
        let mut period = self.period.lock().unwrap_or_else(PoisonError::into_inner);
        if !period.contains(&at) {
            *period = self.budget.period.around(at, &self.budget.zone);
        }
        period.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::{ApiKeyId, Money, Period, ProjectId, Zone};

    fn budget(id: &str, scope: LimitScope, subject: Option<&str>, model: Option<&str>) -> Budget {
        Budget {
            id: id.into(),
            organization: "org-1".into(),
            scope,
            subject: subject.map(Into::into),
            model: model.map(Into::into),
            period: Period::Day,
            zone: Zone::utc(),
            amount: Money::from_nanos(1),
            enforcement: Enforcement::Hard,
        }
    }

    #[test]
    fn exactly_the_budgets_that_fit_hold() {
        use LimitScope::{Key, Model, Organization, Project, User};
        let soft = Enforcement::Soft;
        let budgets = Budgets::new([
            budget("organization", Organization, None, None),
            budget("this project", Project, Some("proj_1"), None),
            budget("each key", Key, None, None),
            budget("this key", Key, Some("key_1"), Some("gpt")),
            budget("each user", User, None, None),
            budget("this model", Model, Some("gpt"), None),
            budget("other project", Project, Some("proj_2"), None),
            budget("other model of this key", Key, Some("key_1"), Some("claude")),
            Budget { enforcement: soft, ..budget("soft", Organization, None, None) },
            Budget { organization: "org-2".into(), ..budget("foreign", Organization, None, None) },
        ]);
        let (organization, project, key) =
            (OrganizationId::from("org-1"), ProjectId::from("proj_1"), ApiKeyId::from("key_1"));
        let mut subject = Subject {
            organization: &organization,
            project: &project,
            key: &key,
            end_user: Some("ada"),
            model: "gpt",
        };
        let found = |subject: &Subject<'_>| {
            let wants = budgets.holding(subject, Timestamp::from_secs(90_000));
            let mut found: Vec<_> = wants
                .map(|want| {
                    assert_eq!(want.period.start, Timestamp::from_secs(86_400));
                    (want.budget.id.to_string(), want.subject.into_owned())
                })
                .collect();
            found.sort();
            found
        };
        let pair = |id: &str, subject: &str| (id.to_owned(), subject.to_owned());
        let mut expected = vec![
            pair("each key", "key_1"),
            pair("each user", "proj_1/ada"),
            pair("organization", ""),
            pair("this key", ""),
            pair("this model", ""),
            pair("this project", ""),
        ];
        assert_eq!(found(&subject), expected);
        subject.end_user = None;
        expected.remove(1);
        assert_eq!(found(&subject), expected);
    }
}
