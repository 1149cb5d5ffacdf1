//! `/v1/organization/audit_logs`: who changed what, in OpenAI's shape, with Kijun's own beside it.

pub(super) mod list;
mod payload;

use kernel::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use store::AuditRow;
use utoipa::ToSchema;

use super::list::Listed;

/// A change that an administrator made. The field that has the name of its `type` tells what was
/// changed, in OpenAI's shape where it has the event.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditLog {
    /// Its id.
    id: String,
    /// What happened: OpenAI's name, or one that begins with `kijun.`.
    #[serde(rename = "type")]
    #[schema(example = "project.created")]
    event: String,
    /// When, in seconds since the Unix epoch.
    effective_at: i64,
    /// The project that it happened to or in, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<AuditLogProject>,
    /// Who did it; null: Kijun itself.
    #[schema(required)]
    actor: Option<AuditLogActor>,
    #[serde(flatten)]
    #[schema(value_type = std::collections::HashMap<String, Value>)]
    payload: Map<String, Value>,
    /// What else is known. Kijun's own.
    kijun: AuditLogEntry,
}

/// A project.
#[derive(Serialize, ToSchema)]
struct AuditLogProject {
    /// Its id.
    id: String,
    /// What it is called now.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

/// Who made a change.
#[derive(Serialize, ToSchema)]
struct AuditLogActor {
    /// `api_key`: the holder of an admin key; `session`: somebody with a shell on the machine.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The admin key.
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<AuditLogKey>,
    /// The shell.
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<AuditLogSession>,
}

/// An admin key.
#[derive(Serialize, ToSchema)]
struct AuditLogKey {
    /// Its id.
    id: String,
}

/// A shell on the machine.
#[derive(Serialize, ToSchema)]
struct AuditLogSession {
    /// Whose it was.
    user: AuditLogUser,
}

/// A user of the operating system.
#[derive(Serialize, ToSchema)]
struct AuditLogUser {
    /// The user's name there.
    id: String,
}

/// The entry as it is chained, and where the request came from.
#[derive(Serialize, ToSchema)]
struct AuditLogEntry {
    /// The chain that it stands in: the organization's id, or `installation`.
    chain: String,
    /// Its place in the chain, from 1.
    sequence: i64,
    /// When, in microseconds since the Unix epoch.
    effective_at_us: i64,
    /// The SHA-256 that binds it to the entry before it.
    hash: String,
    /// That of the entry before it.
    previous_hash: String,
    /// `admin_key`, `shell` or `system`.
    actor_type: String,
    /// The admin key's id, the user's name, or the part of Kijun.
    actor_id: String,
    /// The address that the request came from.
    #[schema(required)]
    ip_address: Option<String>,
    /// The client's `User-Agent`.
    #[schema(required)]
    user_agent: Option<String>,
    /// The request's id.
    #[schema(required)]
    request_id: Option<String>,
    /// What it was done to.
    resources: Vec<AuditLogResource>,
    /// What it changed: `before` and `after`, and of both only what differs.
    details: Map<String, Value>,
}

/// Something that was changed.
#[derive(Serialize, ToSchema)]
struct AuditLogResource {
    /// What it is.
    #[serde(rename = "type")]
    kind: String,
    /// Its id or name.
    id: String,
}

impl From<AuditRow> for AuditLog {
    fn from(row: AuditRow) -> Self {
        let AuditRow { link, project_name } = row;
        let entry = link.entry;
        // What somebody damaged reads as empty; `kijun audit verify` names it.
        let resources: Vec<(String, String)> =
            serde_json::from_str(&entry.resources).unwrap_or_default();
        let resources: Vec<_> =
            resources.into_iter().map(|(kind, id)| AuditLogResource { kind, id }).collect();
        let details: Map<String, Value> = serde_json::from_str(&entry.details).unwrap_or_default();
        let about = resources.first().map(|resource| resource.id.as_str());
        let told = payload::of(&entry.event, about, &details);
        Self {
            id: entry.id,
            effective_at: entry.at.as_secs(),
            project: entry.project.map(|id| AuditLogProject { id, name: project_name }),
            actor: actor(&entry.actor),
            payload: Map::from_iter([(entry.event.clone(), told)]),
            event: entry.event,
            kijun: AuditLogEntry {
                chain: entry.chain,
                sequence: entry.sequence,
                effective_at_us: Timestamp::as_micros(entry.at),
                hash: link.hash.to_string(),
                previous_hash: link.previous.to_string(),
                actor_type: entry.actor.kind,
                actor_id: entry.actor.id,
                ip_address: entry.actor.address,
                user_agent: entry.actor.user_agent,
                request_id: entry.actor.request,
                resources,
                details,
            },
        }
    }
}

fn actor(by: &audit::By) -> Option<AuditLogActor> {
    let id = by.id.clone();
    match by.kind.as_str() {
        "admin_key" => {
            let api_key = Some(AuditLogKey { id });
            Some(AuditLogActor { kind: "api_key", api_key, session: None })
        }
        "shell" => {
            let session = Some(AuditLogSession { user: AuditLogUser { id } });
            Some(AuditLogActor { kind: "session", api_key: None, session })
        }
        _ => None,
    }
}

impl Listed for AuditLog {
    fn id(&self) -> &str {
        &self.id
    }
}
