//! Budgets: how much money may be spent in a day or a month.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::limit::LimitScope;
use crate::{BudgetId, Money, OrganizationId, Period, Zone};

/// What happens when a budget is used up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enforcement {
    /// Calls that could take it over are refused.
    Hard,
    /// It is told, and calls go on.
    Soft,
}

/// One budget. As with limits, users are counted per project.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Budget {
    /// Its id.
    pub id: BudgetId,
    /// The organisation that it holds in.
    pub organization: OrganizationId,
    /// Whose spending is counted together.
    pub scope: LimitScope,
    /// Only this one of that scope (an id, a user name, a model alias); `None`: each one, counted
    /// apart.
    pub subject: Option<String>,
    /// Only calls of this model alias; `None`: of all models together.
    pub model: Option<String>,
    /// Day or month.
    pub period: Period,
    /// Where its days and months begin.
    pub zone: Zone,
    /// How much may be spent in one period.
    pub amount: Money,
    /// What happens then.
    pub enforcement: Enforcement,
}

/// Whose call it is, as budgets tell calls apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spender<'a> {
    /// The project.
    pub project: &'a str,
    /// The API key.
    pub key: &'a str,
    /// The end user that the request names.
    pub end_user: Option<&'a str>,
    /// The model alias.
    pub model: &'a str,
}

/// Bytes of an end user's name that count. Names that are the same so far are one user's: it is the
/// client that chooses them, and a database's keys have a greatest length.
const LONGEST_USER: usize = 1_024;

impl Budget {
    /// Under which name a call of this organisation counts to this budget: empty where all its
    /// calls count together; `None` where the call does not count to it.
    pub fn account<'a>(&self, spender: &Spender<'a>) -> Option<Cow<'a, str>> {
        if self.model.as_deref().is_some_and(|model| model != spender.model) {
            return None;
        }
        let name = match self.scope {
            LimitScope::Organization => return Some("".into()),
            LimitScope::Project => spender.project,
            LimitScope::Key => spender.key,
            LimitScope::Model => spender.model,
            LimitScope::User => return self.user_account(spender).map(Cow::Owned),
        };
        match &self.subject {
            None => Some(name.into()),
            Some(subject) => (subject == name).then(|| "".into()),
        }
    }

    /// Two projects' users of one name never meet.
    fn user_account(&self, spender: &Spender<'_>) -> Option<String> {
        let user = spender.end_user.filter(|user| !user.is_empty())?;
        if self.subject.as_deref().is_some_and(|subject| subject != user) {
            return None;
        }
        let user = user.get(..user.floor_char_boundary(LONGEST_USER)).unwrap_or(user);
        // Not every database takes a NUL.
        Some(format!("{}/{}", spender.project, user.replace('\0', "\u{fffd}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(scope: LimitScope, subject: Option<&str>, model: Option<&str>) -> Budget {
        Budget {
            id: "budget_1".into(),
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
    fn a_call_counts_to_its_own() {
        use LimitScope::{Key, Model, Organization, Project, User};
        let call = Spender { project: "proj_1", key: "key_1", end_user: Some("ada"), model: "gpt" };
        for (scope, subject, model, account) in [
            (Organization, None, None, Some("")),
            (Organization, None, Some("gpt"), Some("")),
            (Organization, None, Some("claude"), None),
            (Project, None, None, Some("proj_1")),
            (Project, Some("proj_1"), None, Some("")),
            (Project, Some("proj_2"), None, None),
            (Key, None, Some("gpt"), Some("key_1")),
            (Key, Some("key_1"), Some("claude"), None),
            (Model, None, None, Some("gpt")),
            (Model, Some("claude"), None, None),
            (User, None, None, Some("proj_1/ada")),
            (User, Some("ada"), None, Some("proj_1/ada")),
            (User, Some("bob"), None, None),
        ] {
            let found = budget(scope, subject, model).account(&call);
            assert_eq!(found.as_deref(), account, "{scope} {subject:?} {model:?}");
        }
    }

    #[test]
    fn odd_users_are_somebody_and_nobody_is_not() {
        let long = "é".repeat(900);
        let user = |end_user| {
            let call = Spender { project: "p", key: "k", end_user, model: "m" };
            budget(LimitScope::User, None, None).account(&call).map(Cow::into_owned)
        };
        assert_eq!(user(None), None);
        assert_eq!(user(Some("")), None);
        assert_eq!(user(Some("a\0b")).unwrap(), "p/a\u{fffd}b");
        assert_eq!(user(Some(&long)).unwrap(), format!("p/{}", "é".repeat(512)));
    }
}
