//! Which models a project may call: its allow or deny list, compiled from the snapshot.

use std::collections::{HashMap, HashSet};

use kernel::ProjectId;
use store::{ModelMode, Project};

use crate::refusal::Refusal;

/// The model lists of all projects.
#[derive(Debug, Default)]
pub struct ModelLists {
    projects: HashMap<ProjectId, ModelList>,
}

#[derive(Debug)]
enum ModelList {
    All,
    Only(HashSet<String>),
    AllBut(HashSet<String>),
}

impl ModelLists {
    /// Compiles the lists of these projects.
    pub fn new<'a>(projects: impl IntoIterator<Item = &'a Project>) -> Self {
        let list = |project: &Project| {
            let names = || project.models.models.iter().cloned().collect();
            match project.models.mode {
                ModelMode::All => ModelList::All,
                ModelMode::Allow => ModelList::Only(names()),
                ModelMode::Deny => ModelList::AllBut(names()),
            }
        };
        let projects = projects.into_iter().map(|project| (project.id.clone(), list(project)));
        Self { projects: projects.collect() }
    }

    /// Whether the project may call the model; a project that is not known may call none. It is
    /// also what a list of models shows.
    pub fn allows(&self, project: &ProjectId, model: &str) -> bool {
        match self.projects.get(project) {
            Some(ModelList::All) => true,
            Some(ModelList::Only(allowed)) => allowed.contains(model),
            Some(ModelList::AllBut(denied)) => !denied.contains(model),
            None => false,
        }
    }

    /// Refuses a model that the project may not call.
    ///
    /// # Errors
    /// [`Refusal::ModelNotAllowed`].
    pub fn check(&self, project: &ProjectId, model: &str) -> Result<(), Refusal> {
        if self.allows(project, model) {
            return Ok(());
        }
        Err(Refusal::ModelNotAllowed { project: project.clone(), model: model.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::Timestamp;
    use store::ModelPermission;

    fn lists(mode: ModelMode, names: &[&str]) -> ModelLists {
        let models = names.iter().map(|name| (*name).to_owned()).collect();
        ModelLists::new(&[Project {
            id: "proj_1".into(),
            organization: "org-1".into(),
            name: "One".into(),
            created_at: Timestamp::from_secs(1),
            archived_at: None,
            models: ModelPermission { mode, models },
        }])
    }

    #[test]
    fn lists_allow_or_deny_exact_names() {
        let project = ProjectId::from("proj_1");
        for (mode, names, model, allowed) in [
            (ModelMode::All, vec![], "gpt", true),
            (ModelMode::Allow, vec!["gpt"], "gpt", true),
            (ModelMode::Allow, vec!["gpt"], "gpt-large", false),
            (ModelMode::Allow, vec![], "gpt", false),
            (ModelMode::Deny, vec!["gpt"], "gpt", false),
            (ModelMode::Deny, vec!["gpt"], "gpt-large", true),
        ] {
            let lists = lists(mode, &names);
            assert_eq!(lists.allows(&project, model), allowed, "{mode:?} {names:?} {model}");
            assert_eq!(lists.check(&project, model).is_ok(), allowed);
        }
    }

    #[test]
    fn an_unknown_project_may_call_nothing() {
        let refusal = lists(ModelMode::All, &[]).check(&"proj_2".into(), "gpt").unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "Project `proj_2` does not have access to model `gpt`. An administrator can change \
             the project's list of models."
        );
    }
}
