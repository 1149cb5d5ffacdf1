//! The administration of budgets: what may be written down as one.

use kernel::limit::LimitScope;
use kernel::{BudgetId, Money, Scope};
use store::{BudgetChange, BudgetRow, NewBudget, Store};

use crate::LimitError;
use crate::limits::{check_place, invalid, tidy};

/// Makes a budget. What its present period has spent already counts. Running nodes hold calls to it
/// as soon as they see it.
///
/// # Errors
/// An amount of nothing, a subject that the organisation does not have, or there is such a budget
/// already; the store.
pub async fn create(
    store: &Store,
    scope: &Scope,
    mut new: NewBudget,
) -> Result<BudgetRow, LimitError> {
    tidy(&mut new.subject, &mut new.model);
    check_amount(new.amount)?;
    let (subject, model) = (new.subject.as_deref(), new.model.as_deref());
    check_place(store, scope, new.scope, subject, model).await?;
    if new.scope == LimitScope::Organization {
        // There is but one, so that naming it makes no other budget.
        new.subject = None;
    }
    Ok(store.budget_create(scope, new).await?)
}

/// Changes a budget. What was spent of it stays spent.
///
/// # Errors
/// An amount of nothing, or there is no budget with this id; the store.
pub async fn change(
    store: &Store,
    scope: &Scope,
    id: &BudgetId,
    to: BudgetChange,
) -> Result<BudgetRow, LimitError> {
    if let Some(amount) = to.amount {
        check_amount(amount)?;
    }
    Ok(store.budget_update(scope, id, to).await?)
}

/// Deletes a budget.
///
/// # Errors
/// There is none with this id; the store.
pub async fn delete(store: &Store, scope: &Scope, id: &BudgetId) -> Result<(), LimitError> {
    Ok(store.budget_delete(scope, id).await?)
}

fn check_amount(amount: Money) -> Result<(), LimitError> {
    if amount <= Money::ZERO {
        let reason = "must be more than nothing; to allow nothing, take the models off the \
                      project's list or revoke the key";
        return Err(invalid("amount", reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use kernel::{Enforcement, Period, SystemClock, SystemRng, Zone};
    use store::StoreError;

    fn new(scope: LimitScope, subject: Option<&str>) -> NewBudget {
        NewBudget {
            scope,
            subject: subject.map(Into::into),
            model: None,
            period: Period::Month,
            zone: Zone::utc(),
            amount: Money::from_nanos(1),
            enforcement: Enforcement::Hard,
            alerts: Vec::new(),
        }
    }

    #[tokio::test]
    async fn budgets_that_could_hold_nobody_are_refused() {
        let store = Store::in_memory(Arc::new(SystemClock), Arc::new(SystemRng)).await.unwrap();
        let organization = store.organization_create("Default").await.unwrap();
        let scope = Scope::organization(organization.id);
        let nothing = NewBudget { amount: Money::ZERO, ..new(LimitScope::Key, None) };
        let twice = NewBudget { model: Some("gpt".into()), ..new(LimitScope::Model, None) };
        for (wrong, field) in [
            (nothing, "amount"),
            (twice, "model"),
            (new(LimitScope::Project, Some("proj_none")), "subject"),
            (new(LimitScope::Organization, Some("org-other")), "subject"),
        ] {
            match create(&store, &scope, wrong).await {
                Err(LimitError::Invalid { field: found, .. }) => assert_eq!(found, field),
                other => panic!("{field}: {other:?}"),
            }
        }
        let own = new(LimitScope::Organization, Some(scope.organization.as_str()));
        let made = create(&store, &scope, own).await.unwrap().budget;
        assert_eq!(made.subject, None);
        let again = create(&store, &scope, new(LimitScope::Organization, None)).await;
        assert!(matches!(again, Err(LimitError::Store(StoreError::Conflict { .. }))), "{again:?}");
        let amount = Some(Money::ZERO);
        let change_to = BudgetChange { amount, ..BudgetChange::default() };
        assert!(change(&store, &scope, &made.id, change_to).await.is_err());
        delete(&store, &scope, &made.id).await.unwrap();
        assert!(delete(&store, &scope, &made.id).await.is_err());
    }
}
