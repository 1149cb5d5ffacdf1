//! The directory: everything a node needs in memory to know a caller by the key that is shown.

use kernel::{Principal, Timestamp};
use sqlx::any::AnyRow;

use crate::columns::Columns;
use crate::project::project;
use crate::{Organization, Project, Store, StoreError};

/// Who there is: only what works at the moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Directory {
    /// The generation that was read before everything else. When the store's is another one, this
    /// directory may be out of date.
    pub generation: i64,
    /// All organisations.
    pub organizations: Vec<Organization>,
    /// All projects that are not archived.
    pub projects: Vec<Project>,
    /// All secrets that work: not expired, of keys not revoked, in projects not archived.
    pub secrets: Vec<SecretRow>,
}

/// A secret that works, and whose it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecretRow {
    /// The SHA-256 of the secret.
    pub hash: [u8; 32],
    /// Who shows it.
    pub owner: Principal,
    /// When it stops working; `None`: never.
    pub expires_at: Option<Timestamp>,
}

impl Store {
    /// Reads the whole directory.
    pub async fn directory_load(&self) -> Result<Directory, StoreError> {
        let generation = self.generation().await?;
        let organizations = self.organization_list().await?;
        let now = self.now().as_micros();
        let mut connection = self.read().await?;
        let projects = sqlx::query("SELECT * FROM project WHERE archived_at IS NULL ORDER BY id")
            .fetch_all(&mut *connection)
            .await?;
        let project_secrets = sqlx::query(
            "SELECT s.hash, s.expires_at, k.id, k.organization_id, k.project_id,
                    k.service_account_id
             FROM api_key_secret s
             JOIN api_key k ON k.id = s.key_id
             JOIN project p ON p.id = k.project_id
             WHERE k.revoked_at IS NULL AND p.archived_at IS NULL
               AND (s.expires_at IS NULL OR s.expires_at > $1)",
        )
        .bind(now)
        .fetch_all(&mut *connection)
        .await?;
        let admin_secrets = sqlx::query(
            "SELECT hash, expires_at, id, organization_id FROM admin_key
             WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $1)",
        )
        .bind(now)
        .fetch_all(&mut *connection)
        .await?;

        let secrets = project_secrets.iter().map(|row| secret(row, project_principal));
        let secrets = secrets.chain(admin_secrets.iter().map(|row| secret(row, admin_principal)));
        Ok(Directory {
            generation,
            organizations,
            projects: projects.iter().map(project).collect::<Result<_, _>>()?,
            secrets: secrets.collect::<Result<_, _>>()?,
        })
    }
}

fn secret(
    row: &AnyRow,
    owner: fn(&AnyRow) -> Result<Principal, StoreError>,
) -> Result<SecretRow, StoreError> {
    Ok(SecretRow {
        hash: row.hash("hash")?,
        owner: owner(row)?,
        expires_at: row.time_or_null("expires_at")?,
    })
}

fn project_principal(row: &AnyRow) -> Result<Principal, StoreError> {
    Ok(Principal::Project {
        organization: row.text("organization_id")?.into(),
        project: row.text("project_id")?.into(),
        key: row.text("id")?.into(),
        service_account: row.text_or_null("service_account_id")?.map(Into::into),
    })
}

fn admin_principal(row: &AnyRow) -> Result<Principal, StoreError> {
    Ok(Principal::Admin {
        organization: row.text("organization_id")?.into(),
        key: row.text("id")?.into(),
    })
}
