//! `GET /v1/organization/audit_logs`

use axum::Json;
use axum::extract::State;
use kernel::Timestamp;
use store::{AuditFilter, AuditPage, Page};

use super::AuditLog;
use crate::App;
use crate::openapi::ErrorEnvelope;
use crate::organization::admin::Admin;
use crate::organization::list::{List, PageParams};
use crate::organization::query::{Query, moment};
use crate::problem::Problem;

/// List what administrators changed, the newest first.
#[utoipa::path(
    get,
    path = "/v1/organization/audit_logs",
    operation_id = "listAuditLogs",
    tag = "Administration",
    params(
        ("effective_at" = Option<Object>, Query, description = "Only in this range, in seconds since the Unix epoch: `effective_at[gt]`, `[gte]`, `[lt]`, `[lte]`.", nullable = false, style = DeepObject),
        ("project_ids[]" = Option<Vec<String>>, Query, description = "Only of these projects.", nullable = false),
        ("event_types[]" = Option<Vec<String>>, Query, description = "Only these events.", nullable = false),
        ("actor_ids[]" = Option<Vec<String>>, Query, description = "Only by these: an admin key's id, a user's name on the machine.", nullable = false),
        ("actor_emails[]" = Option<Vec<String>>, Query, description = "Only by the users of these addresses. Nobody has one here.", nullable = false),
        ("resource_ids[]" = Option<Vec<String>>, Query, description = "Only on these.", nullable = false),
        ("tenant_only" = Option<bool>, Query, description = "Only events of a tenant, which Kijun has none of.", nullable = false),
        PageParams,
        ("before" = Option<String>, Query, description = "The id of the first object of the page after.", nullable = false),
    ),
    responses(
        (status = 200, description = "A page of the audit log.", body = List<AuditLog>),
        (status = "4XX", description = "What is wrong, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    admin: Admin,
    mut query: Query,
) -> Result<Json<List<AuditLog>>, Problem> {
    let (from, until) = effective_at(&mut query)?;
    let filter = AuditFilter {
        from,
        until,
        projects: query.list("project_ids"),
        events: query.list("event_types"),
        actors: query.list("actor_ids"),
        resources: query.list("resource_ids"),
    };
    // Both name what no entry has.
    let none = !query.list("actor_emails").is_empty() | query.flag("tenant_only")?.unwrap_or(false);
    let before = query.text("before")?;
    let Page { after, limit, .. } = query.page()?;
    query.finish()?;
    if none {
        return Ok(Json(List::new(Vec::new(), false)));
    }
    let page = AuditPage { after, before, limit };
    let entries = app.store.audit_list(&admin.scope, &filter, &page).await?;
    Ok(Json(List::of(entries, AuditLog::from)))
}

/// From when on, and until when. Times are shown in whole seconds, so they are compared so, too.
fn effective_at(query: &mut Query) -> Result<(Option<Timestamp>, Option<Timestamp>), Problem> {
    const PARAM: &str = "effective_at";
    let (mut from, mut until) = (None::<Timestamp>, None::<Timestamp>);
    for (bound, text) in query.object(PARAM) {
        let number = text.parse().map_err(|_| {
            Problem::invalid(PARAM, format!("`{PARAM}[{bound}]` must be a number of seconds"))
        })?;
        let (at, next) = (moment(PARAM, number)?, moment(PARAM, number.saturating_add(1))?);
        let (lower, upper) = match bound.as_str() {
            "gt" => (Some(next), None),
            "gte" => (Some(at), None),
            "lt" => (None, Some(at)),
            "lte" => (None, Some(next)),
            _ => {
                let message = format!("`{PARAM}` takes [gt], [gte], [lt] and [lte]");
                return Err(Problem::invalid(PARAM, message));
            }
        };
        from = from.max(lower);
        until = match (until, upper) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }
    Ok((from, until))
}
