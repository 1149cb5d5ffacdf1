//! `kijun projects`

use clap::Subcommand;
use store::{ModelMode, ModelPermission, Page, Project, ProjectService, ProjectStatus};

use super::service_levels::Tier;
use super::session::Session;
use super::{Failed, print};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Make a project.
    Create {
        /// What people call it.
        name: String,
    },
    /// List the projects.
    List {
        /// Archived ones too.
        #[arg(long)]
        all: bool,
    },
    /// Give a project another name.
    Rename {
        /// The project's id.
        id: String,
        /// Its new name.
        name: String,
    },
    /// Say which models a project may use.
    Models {
        /// The project's id.
        id: String,
        /// Only these, separated by commas.
        #[arg(long, value_name = "MODELS", value_delimiter = ',', conflicts_with_all = ["deny", "all"])]
        allow: Option<Vec<String>>,
        /// All but these, separated by commas.
        #[arg(long, value_name = "MODELS", value_delimiter = ',', conflicts_with = "all")]
        deny: Option<Vec<String>>,
        /// All models.
        #[arg(long)]
        all: bool,
    },
    /// Say which service tiers a project's calls may ask for.
    Tiers {
        /// The project's id.
        id: String,
        /// These, separated by commas.
        #[arg(value_enum, value_name = "TIERS", value_delimiter = ',', required = true)]
        tiers: Vec<Tier>,
        /// The tier of a call that asks for none.
        #[arg(long, value_enum, value_name = "TIER", default_value = "default")]
        default: Tier,
    },
    /// Archive a project for good: its keys stop working, its records stay.
    Archive {
        /// The project's id.
        id: String,
    },
}

pub(super) async fn run(verb: Verb, session: Session) -> Result<(), Failed> {
    let (scope, administration) = (session.scope(), &session.administration);
    match verb {
        Verb::Create { name } => {
            print::line(administration.project_create(&scope, &name).await?.id.as_str());
        }
        Verb::List { all } => {
            let mut page = Page { include_archived: all, ..Page::default() };
            let mut rows = Vec::new();
            loop {
                let projects = administration.project_list(&scope, &page).await?;
                rows.extend(projects.data.iter().map(row));
                match projects.data.last() {
                    Some(last) if projects.has_more => page.after = Some(last.id.to_string()),
                    _ => break,
                }
            }
            print::table(["ID", "NAME", "STATE", "MODELS"], &rows);
        }
        Verb::Rename { id, name } => {
            administration.project_rename(&scope, &id.into(), &name).await?;
        }
        Verb::Models { id, allow, deny, all } => {
            let models = match (allow, deny, all) {
                (Some(models), _, _) => ModelPermission { mode: ModelMode::Allow, models },
                (_, Some(models), _) => ModelPermission { mode: ModelMode::Deny, models },
                (_, _, true) => ModelPermission::all(),
                _ => return Err(Failed::new("say --allow MODELS, --deny MODELS or --all")),
            };
            administration.project_models_set(&scope, &id.into(), models).await?;
        }
        Verb::Tiers { id, tiers, default } => {
            let tiers = tiers.into_iter().map(Tier::into).collect();
            let service = ProjectService { default_tier: default.into(), tiers };
            session.store.project_service_put(&scope, &id.into(), &service).await?;
        }
        Verb::Archive { id } => {
            administration.project_archive(&scope, &id.into()).await?;
        }
    }
    Ok(())
}

fn row(project: &Project) -> [String; 4] {
    let state = match project.status() {
        ProjectStatus::Active => "active",
        ProjectStatus::Archived => "archived",
    };
    let list = project.models.models.join(", ");
    let models = match project.models.mode {
        ModelMode::All => "all".to_owned(),
        ModelMode::Allow => format!("only {list}"),
        ModelMode::Deny => format!("all but {list}"),
    };
    [project.id.to_string(), project.name.clone(), state.to_owned(), models]
}
