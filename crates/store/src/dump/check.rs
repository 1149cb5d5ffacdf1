//! A look through a dump without a database.

use std::collections::HashMap;
use std::sync::Arc;

use kernel::ProjectId;
use vault::{Aad, ContentKey, Vault};

use super::DumpSummary;
use super::frame::{End, Frame, Frames, Value, broken};
use super::schema::Table;
use crate::StoreError;
use crate::master_key::SEALED;
use crate::store::sealed_error;

/// Reads a dump: counts its rows, and opens what a vault has sealed in it.
pub struct DumpCheck {
    vault: Option<Arc<Vault>>,
    frames: Frames,
    tables: Vec<Table>,
    summary: DumpSummary,
    end: Option<End>,
    opened: u64,
    project_keys: HashMap<ProjectId, ContentKey>,
}

impl DumpCheck {
    /// Begins; without a vault nothing is opened.
    pub fn new(vault: Option<Arc<Vault>>) -> Self {
        Self {
            vault,
            frames: Frames::default(),
            tables: Vec::new(),
            summary: DumpSummary::default(),
            end: None,
            opened: 0,
            project_keys: HashMap::new(),
        }
    }

    /// Takes the next bytes of the dump.
    ///
    /// # Errors
    /// When they are none, or a sealed value does not open.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.frames.feed(bytes);
        while let Some(frame) = self.frames.next()? {
            match frame {
                Frame::Head(head) => {
                    let counts = head.tables.iter().map(|table| (table.name.clone(), 0));
                    self.summary.rows = counts.collect();
                    self.summary.schema_version = head.schema_version;
                    self.tables = head.tables;
                }
                Frame::Rows(table, rows) => self.look(table, &rows)?,
                Frame::End(end) => self.end = Some(end),
            }
        }
        Ok(())
    }

    /// Says what the dump held, and how many sealed values were opened.
    ///
    /// # Errors
    /// When it was not whole.
    pub fn finish(&self) -> Result<(DumpSummary, u64), StoreError> {
        self.frames.finish()?;
        match &self.end {
            Some(end) if end.rows == self.summary.rows => Ok((self.summary.clone(), self.opened)),
            _ => Err(broken("it has not as many rows as it says")),
        }
    }

    /// The key of a project's content, if it was opened.
    pub fn content_key(&self, project: &ProjectId) -> Option<&ContentKey> {
        self.project_keys.get(project)
    }

    fn look(&mut self, number: usize, rows: &[Vec<Value>]) -> Result<(), StoreError> {
        let table = self.tables.get(number).ok_or_else(|| broken("it has rows of no table"))?;
        if let Some(count) = self.summary.rows.get_mut(&table.name) {
            *count += rows.len() as u64;
        }
        let Some(vault) = &self.vault else { return Ok(()) };
        for sealed in SEALED.iter().filter(|sealed| sealed.table == table.name) {
            let (Some(key), Some(column)) =
                (table.position(sealed.key), table.position(sealed.column))
            else {
                continue;
            };
            for row in rows {
                let Some(Value::Bytes(value)) = row.get(column) else { continue };
                let id = match row.get(key) {
                    Some(Value::Text(id)) => id.clone(),
                    Some(Value::Number(id)) => id.to_string(),
                    _ => continue,
                };
                let failed = |source| sealed_error(sealed.table, sealed.column, &id, source);
                let place = Aad::new(sealed.table, sealed.column, &id);
                let opened = vault.open(&place, value).map_err(failed)?;
                self.opened += 1;
                if sealed.table == "project_key" {
                    let key = ContentKey::from_bytes(&opened).map_err(failed)?;
                    self.project_keys.insert(id.as_str().into(), key);
                }
            }
        }
        Ok(())
    }
}
