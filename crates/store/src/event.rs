//! What a change did, as the module that makes it says it; the log adds who, when and where.

use std::fmt::Display;

use audit::{By, Entry, INSTALLATION};
use kernel::{Actor, AuditId, OrganizationId, ProjectId, Rng, Scope, Timestamp, Who};
use serde_json::{Map, Value, json};

/// What a change did. Names are OpenAI's where it has one (`project.created`), else
/// `kijun.<thing>.<what was done>`. `before` and `after` hold neither secrets nor content.
pub(crate) struct Event {
    name: &'static str,
    /// `None`: it belongs to the installation.
    organization: Option<OrganizationId>,
    project: Option<ProjectId>,
    resources: Vec<Value>,
    before: Option<Value>,
    after: Option<Value>,
}

impl Event {
    /// Something happened to what the scope's organisation, or one project of it, has.
    pub(crate) fn of(scope: &Scope, name: &'static str) -> Self {
        let organization = Some(scope.organization.clone());
        Self { organization, project: scope.project.clone(), ..Self::of_installation(name) }
    }

    /// Something happened to what all organisations share.
    pub(crate) const fn of_installation(name: &'static str) -> Self {
        let resources = Vec::new();
        Self { name, organization: None, project: None, resources, before: None, after: None }
    }

    /// It happened to this; the first one named is what the event is about.
    pub(crate) fn on(mut self, kind: &'static str, id: impl Display) -> Self {
        self.resources.push(json!([kind, id.to_string()]));
        self
    }

    /// It happened in this project.
    pub(crate) fn within(mut self, project: &ProjectId) -> Self {
        self.project = Some(project.clone());
        self
    }

    /// What it was before.
    pub(crate) fn before(mut self, value: Value) -> Self {
        self.before = Some(value);
        self
    }

    /// What it is now.
    pub(crate) fn after(mut self, value: Value) -> Self {
        self.after = Some(value);
        self
    }

    /// The chain that it is written to. What all organisations share has a chain of its own, but
    /// who may administer one organisation alone is shown to that one alone.
    pub(crate) fn chain(&self, actor: &Actor) -> String {
        match (&self.organization, &actor.who) {
            (Some(organization), _) | (None, Who::AdminKey { organization, .. }) => {
                organization.to_string()
            }
            (None, Who::Shell { .. } | Who::System { .. }) => INSTALLATION.to_owned(),
        }
    }

    pub(crate) fn into_entry(
        self,
        chain: String,
        sequence: i64,
        actor: &Actor,
        at: Timestamp,
        rng: &dyn Rng,
    ) -> Entry {
        Entry {
            chain,
            sequence,
            id: AuditId::new(at, rng).to_string(),
            at,
            event: self.name.to_owned(),
            actor: By::from(actor),
            project: self.project.map(|project| project.to_string()),
            resources: Value::Array(self.resources).to_string(),
            details: details(self.before, self.after).to_string(),
        }
    }
}

/// What was changed: of two objects, only the fields in which they differ.
fn details(before: Option<Value>, after: Option<Value>) -> Value {
    let (before, after) = match (before, after) {
        (Some(Value::Object(mut before)), Some(Value::Object(mut after))) => {
            let earlier = before.clone();
            before.retain(|name, value| after.get(name) != Some(value));
            after.retain(|name, value| earlier.get(name) != Some(value));
            (Some(Value::Object(before)), Some(Value::Object(after)))
        }
        any => any,
    };
    let named = [("before", before), ("after", after)];
    let named = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(named.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_told() {
        let before = json!({"name": "a", "days": 3, "gone": true});
        let after = json!({"name": "b", "days": 3, "new": null});
        let told = details(Some(before), Some(after));
        let expected =
            json!({"before": {"name": "a", "gone": true}, "after": {"name": "b", "new": null}});
        assert_eq!(told, expected);
        assert_eq!(details(None, Some(json!({"a": 1}))), json!({"after": {"a": 1}}));
        assert_eq!(details(None, None), json!({}));
    }

    #[test]
    fn what_all_share_is_in_the_chain_of_who_did_it() {
        let shared = || Event::of_installation("kijun.price.created");
        assert_eq!(shared().chain(&Actor::shell("ann")), "installation");
        let who = Who::AdminKey { id: "key_admin_1".into(), organization: "org-1".into() };
        let acting = kernel::Acting { who, address: None, user_agent: None, request: None };
        assert_eq!(shared().chain(&Actor::new(acting)), "org-1");
        let own = Event::of(&Scope::organization("org-2".into()), "project.created");
        assert_eq!(own.chain(&Actor::system("bootstrap")), "org-2");
    }
}
