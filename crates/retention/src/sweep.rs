//! One sweep: every project of every organisation, every kind of content.

use std::collections::HashMap;

use kernel::{OrganizationId, ProjectId, Retention, RetentionSetting, Scope, Timestamp};
use store::{ContentKind, Page, RetentionRow, StoreError};

use crate::deletion::{Outcome, Place};
use crate::sweeper::Sweeper;
use crate::turn::Turn;

/// Rows of one deletion.
const MOST_ROWS: u32 = 500;
/// Unproven deletions that are read at once.
const MOST_UNPROVEN: u32 = 20;

/// What a sweep did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Swept {
    /// Deletions that were proven.
    pub proven: u64,
    /// Deletions of which something may still be there.
    pub unproven: u64,
}

impl Sweeper {
    /// Deletes all that is past its time now. `None`: another node is at it, or took over.
    ///
    /// # Errors
    /// When the database does not answer; what was deleted until then stays deleted.
    pub async fn sweep(&self) -> Result<Option<Swept>, StoreError> {
        let Some(turn) = Turn::take(&self.0.store, &self.0.clock, &self.0.name).await? else {
            return Ok(None);
        };
        let place = Place { store: &self.0.store, blobs: &self.0.blobs };
        let now = self.0.clock.now();
        let mut sweep = Sweep { place, turn, now, swept: Swept::default() };
        let whole = sweep.finish_begun().await? && sweep.every_project().await?;
        sweep.turn.give_back().await?;
        Ok(whole.then_some(sweep.swept))
    }
}

struct Sweep<'a> {
    place: Place<'a>,
    turn: Turn<'a>,
    now: Timestamp,
    swept: Swept,
}

/// Whether the turn is still ours.
type Ours = Result<bool, StoreError>;

impl Sweep<'_> {
    /// Takes up what earlier sweeps began and could not prove.
    async fn finish_begun(&mut self) -> Ours {
        let mut after: Option<String> = None;
        loop {
            let store = self.place.store;
            let begun = store.deletion_unproven(after.as_deref(), MOST_UNPROVEN).await?;
            let Some((last, _)) = begun.last() else { return Ok(true) };
            after = Some(last.id.clone());
            for (deletion, pending) in &begun {
                if !self.turn.keep().await? {
                    return Ok(false);
                }
                let outcome = self.place.finish(deletion, pending).await;
                self.note(outcome, &deletion.project, deletion.kind)?;
            }
        }
    }

    async fn every_project(&mut self) -> Ours {
        let store = self.place.store;
        let settings = Settings::new(store.retention_list().await?);
        for organization in store.organization_list().await? {
            let scope = Scope::organization(organization.id);
            let mut page = Page { include_archived: true, ..Page::default() };
            loop {
                let projects = store.project_list(&scope, &page).await?;
                page.after = projects.data.last().map(|project| project.id.to_string());
                for project in projects.data {
                    let retention = settings.of(&scope.organization, &project.id);
                    let scope = Scope { project: Some(project.id.clone()), ..scope.clone() };
                    if !self.project(&scope, &project.id, retention).await? {
                        return Ok(false);
                    }
                }
                if !projects.has_more {
                    break;
                }
            }
        }
        Ok(true)
    }

    async fn project(&mut self, scope: &Scope, project: &ProjectId, retention: Retention) -> Ours {
        let cutoff = cutoff(self.now, retention);
        for kind in ContentKind::ALL {
            loop {
                if !self.turn.keep().await? {
                    return Ok(false);
                }
                let some = self.some(scope, project, kind, cutoff).await;
                let Some(outcome) = some.transpose() else { break };
                // What is not gone would be found again.
                if self.note(outcome, project, kind)? == Outcome::Unproven {
                    break;
                }
            }
        }
        Ok(true)
    }

    /// Deletes some of a kind. `None`: nothing of it is past its time.
    async fn some(
        &self,
        scope: &Scope,
        project: &ProjectId,
        kind: ContentKind,
        cutoff: Timestamp,
    ) -> Result<Option<Outcome>, StoreError> {
        let expired = self.place.store.content_expired(project, kind, cutoff, MOST_ROWS).await?;
        if expired.is_empty() {
            return Ok(None);
        }
        let (_, outcome) = self.place.delete(scope, kind, cutoff, expired).await?;
        Ok(Some(outcome))
    }

    /// Counts. One row that cannot be deleted must not keep all others; a database that is away
    /// does.
    fn note(
        &mut self,
        outcome: Result<Outcome, StoreError>,
        project: &ProjectId,
        kind: ContentKind,
    ) -> Result<Outcome, StoreError> {
        let outcome = match outcome {
            Err(error @ StoreError::Unavailable { .. }) => return Err(error),
            Err(error) => {
                let kind = kind.as_str();
                tracing::error!(%project, kind, %error, "what is past its time is not deleted");
                Outcome::Unproven
            }
            Ok(outcome) => outcome,
        };
        match outcome {
            Outcome::Proven => self.swept.proven += 1,
            Outcome::Unproven => self.swept.unproven += 1,
        }
        Ok(outcome)
    }
}

/// What was made before this moment has to go.
fn cutoff(now: Timestamp, retention: Retention) -> Timestamp {
    /// One day, in microseconds.
    const DAY: i64 = 86_400_000_000;
    match retention.zero {
        true => now,
        false => {
            Timestamp::from_micros(now.as_micros().saturating_sub(i64::from(retention.days) * DAY))
        }
    }
}

/// What is set, by whom.
struct Settings {
    organizations: HashMap<OrganizationId, RetentionSetting>,
    projects: HashMap<ProjectId, RetentionSetting>,
}

impl Settings {
    fn new(rows: Vec<RetentionRow>) -> Self {
        let mut all = Self { organizations: HashMap::new(), projects: HashMap::new() };
        for row in rows {
            match row.project {
                Some(project) => all.projects.insert(project, row.setting),
                None => all.organizations.insert(row.organization, row.setting),
            };
        }
        all
    }

    fn of(&self, organization: &OrganizationId, project: &ProjectId) -> Retention {
        let organization = self.organizations.get(organization).copied();
        Retention::of(organization, self.projects.get(project).copied())
    }
}
