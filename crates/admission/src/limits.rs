//! The administration of limits: what may be written down as one.

use kernel::limit::{Limit, LimitScope};
use kernel::{ApiKeyId, LimitId, ProjectId, Scope};
use store::{NewLimit, Store, StoreError};

/// Why a limit was not written down.
#[derive(Debug, thiserror::Error)]
pub enum LimitError {
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

/// Makes a limit. Running nodes enforce it as soon as they see it.
///
/// # Errors
/// An amount of zero, or a subject that the organisation does not have; the store.
pub async fn create(store: &Store, scope: &Scope, mut new: NewLimit) -> Result<Limit, LimitError> {
    tidy(&mut new.subject, &mut new.model);
    let (subject, model) = (new.subject.as_deref(), new.model.as_deref());
    check_amount(new.amount)?;
    check_place(store, scope, new.scope, subject, model).await?;
    Ok(store.limit_create(scope, new).await?)
}

/// Gives a limit another amount. What was taken of it stays taken.
///
/// # Errors
/// An amount of zero, or there is no limit with this id; the store.
pub async fn change(
    store: &Store,
    scope: &Scope,
    id: &LimitId,
    amount: u64,
) -> Result<Limit, LimitError> {
    check_amount(amount)?;
    Ok(store.limit_update(scope, id, amount).await?)
}

/// Deletes a limit.
///
/// # Errors
/// There is none with this id; the store.
pub async fn delete(store: &Store, scope: &Scope, id: &LimitId) -> Result<(), LimitError> {
    Ok(store.limit_delete(scope, id).await?)
}

/// What a limit or budget is to count.
pub(crate) async fn check_place(
    store: &Store,
    scope: &Scope,
    counted: LimitScope,
    subject: Option<&str>,
    model: Option<&str>,
) -> Result<(), LimitError> {
    if counted == LimitScope::Model && model.is_some() {
        let reason = "must be empty with scope `model`; name the model as the subject";
        return Err(invalid("model", reason));
    }
    match subject {
        Some(subject) => check_subject(store, scope, counted, subject).await,
        None => Ok(()),
    }
}

fn check_amount(amount: u64) -> Result<(), LimitError> {
    if amount == 0 {
        let reason = "must be at least 1; to allow nothing, take the model off the project's \
                      list or revoke the key";
        return Err(invalid("amount", reason));
    }
    Ok(())
}

/// A mistyped id would make a limit that never holds anyone.
async fn check_subject(
    store: &Store,
    scope: &Scope,
    counted: LimitScope,
    subject: &str,
) -> Result<(), LimitError> {
    let found = match counted {
        LimitScope::Organization if subject == scope.organization.as_str() => return Ok(()),
        LimitScope::Organization => {
            let reason = "is another organization; leave it empty for your own";
            return Err(invalid("subject", reason));
        }
        LimitScope::Project => store.project_get(scope, &ProjectId::from(subject)).await.map(drop),
        LimitScope::Key => store.api_key_get(scope, &ApiKeyId::from(subject)).await.map(drop),
        // Users and models come and go without the organisation's doing.
        LimitScope::User | LimitScope::Model => return Ok(()),
    };
    match found {
        Err(StoreError::NotFound { what, id }) => {
            Err(invalid("subject", format!("names no {what} of this organization: `{id}`")))
        }
        other => Ok(other?),
    }
}

/// Names without the blanks around them. An empty one names nothing, as none does.
pub(crate) fn tidy(subject: &mut Option<String>, model: &mut Option<String>) {
    for name in [subject, model] {
        *name = name.take().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    }
}

pub(crate) fn invalid(field: &'static str, reason: impl Into<String>) -> LimitError {
    LimitError::Invalid { field, reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use kernel::limit::LimitMeasure;
    use kernel::{SystemClock, SystemRng};

    async fn bench() -> (Store, Scope, ProjectId) {
        let store = Store::in_memory(Arc::new(SystemClock), Arc::new(SystemRng)).await.unwrap();
        let organization = store.organization_create("Default").await.unwrap();
        let scope = Scope::organization(organization.id);
        let project = store.project_create(&scope, "Default project").await.unwrap();
        (store, scope, project.id)
    }

    fn new(scope: LimitScope, subject: Option<&str>) -> NewLimit {
        NewLimit {
            scope,
            subject: subject.map(Into::into),
            model: None,
            measure: LimitMeasure::RequestsPerMinute,
            amount: 60,
        }
    }

    #[tokio::test]
    async fn a_limit_is_made_changed_and_deleted() {
        let (store, scope, project) = bench().await;
        let subject = format!(" {project} ");
        let made = create(&store, &scope, new(LimitScope::Project, Some(&subject))).await;
        let mut limit = made.unwrap();
        assert_eq!(limit.subject.as_deref(), Some(project.as_str()));
        limit.amount = 90;
        assert_eq!(change(&store, &scope, &limit.id, 90).await.unwrap(), limit);
        assert!(change(&store, &scope, &limit.id, 0).await.is_err());
        assert_eq!(store.limit_list(&scope).await.unwrap(), [limit.clone()]);
        delete(&store, &scope, &limit.id).await.unwrap();
        assert!(store.limit_list(&scope).await.unwrap().is_empty());
        assert!(change(&store, &scope, &limit.id, 90).await.is_err());
    }

    #[tokio::test]
    async fn limits_that_could_hold_nobody_are_refused() {
        let (store, scope, _) = bench().await;
        let nothing = NewLimit { amount: 0, ..new(LimitScope::Key, None) };
        let twice = NewLimit { model: Some("gpt".into()), ..new(LimitScope::Model, None) };
        for (wrong, field) in [
            (nothing, "amount"),
            (twice, "model"),
            (new(LimitScope::Project, Some("proj_none")), "subject"),
            (new(LimitScope::Key, Some("key_none")), "subject"),
            (new(LimitScope::Organization, Some("org-other")), "subject"),
        ] {
            match create(&store, &scope, wrong).await {
                Err(LimitError::Invalid { field: found, .. }) => assert_eq!(found, field),
                other => panic!("{field}: {other:?}"),
            }
        }
        for right in [
            new(LimitScope::Organization, Some(scope.organization.as_str())),
            new(LimitScope::User, Some("ada")),
            new(LimitScope::Model, Some("gpt")),
            new(LimitScope::Key, Some("")),
        ] {
            assert!(create(&store, &scope, right).await.is_ok());
        }
    }
}
