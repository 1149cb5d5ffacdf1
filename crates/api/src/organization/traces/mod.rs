//! `/v1/organization/traces`: Kijun's own. What agents told of their runs.

pub(super) mod list;
pub(super) mod retrieve;

use kernel::Scope;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::admin::Admin;
use super::list::Listed;
use super::query::Query;
use crate::problem::Problem;

/// A trace in a list, without its spans.
#[derive(Serialize, ToSchema)]
#[serde(transparent)]
pub(crate) struct Trace(Value);

impl Listed for Trace {
    fn id(&self) -> &str {
        self.0.get("id").and_then(Value::as_str).unwrap_or_default()
    }
}

/// The project whose traces are wanted: agents choose their ids, so they are unique in it alone.
fn project(admin: &Admin, query: &mut Query) -> Result<Scope, Problem> {
    let project = query.text("project_id")?;
    let missing = || {
        let message = "`project_id` is missing: a trace's id is unique in its project alone";
        Problem::invalid("project_id", message)
    };
    Ok(admin.within(&project.ok_or_else(missing)?))
}
