//! Which tables there are, and in which order their rows can be written.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;

use super::LEFT_OUT;
use crate::StoreError;
use crate::columns::{Columns, unreadable};
use crate::database::Engine;

/// A table whose rows are carried.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
}

/// A column of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Number,
    Text,
    Bytes,
}

impl Table {
    /// The names of its columns as SQL writes them.
    pub(super) fn quoted(&self) -> Vec<String> {
        self.columns.iter().map(|column| format!("\"{}\"", column.name)).collect()
    }

    /// Where a column is.
    pub(super) fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|own| own.name == column)
    }
}

/// The tables of the schema that are carried, parents before their children.
pub(super) async fn tables(
    connection: &mut AnyConnection,
    engine: Engine,
) -> Result<Vec<Table>, StoreError> {
    let columns = match engine {
        Engine::Sqlite => {
            "SELECT t.name AS table_name, c.name AS column_name, c.type AS kind
             FROM sqlite_master t, pragma_table_info(t.name) c
             WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite@_%' ESCAPE '@'
             ORDER BY t.name, c.cid"
        }
        Engine::Postgres => {
            "SELECT table_name::text AS table_name, column_name::text AS column_name,
             data_type::text AS kind
             FROM information_schema.columns WHERE table_schema = current_schema()
             ORDER BY table_name, ordinal_position"
        }
    };
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    for row in sqlx::query(columns).fetch_all(&mut *connection).await? {
        let (table, name) = (row.text("table_name")?, row.text("column_name")?);
        if LEFT_OUT.iter().any(|(left_out, _)| *left_out == table) {
            continue;
        }
        let kind = match row.text("kind")?.to_ascii_lowercase().as_str() {
            "bigint" => Kind::Number,
            "text" => Kind::Text,
            "blob" | "bytea" => Kind::Bytes,
            other => return Err(unreadable(&name, format!("no dump knows the type {other}"))),
        };
        let entry = tables.entry(table.clone());
        let entry = entry.or_insert_with(|| Table { name: table, columns: Vec::new() });
        entry.columns.push(Column { name, kind });
    }
    in_order(tables, &parents(connection, engine).await?)
}

/// Which table refers to which.
async fn parents(
    connection: &mut AnyConnection,
    engine: Engine,
) -> Result<BTreeMap<String, BTreeSet<String>>, StoreError> {
    let references = match engine {
        Engine::Sqlite => {
            "SELECT t.name AS child, f.\"table\" AS parent
             FROM sqlite_master t, pragma_foreign_key_list(t.name) f WHERE t.type = 'table'"
        }
        Engine::Postgres => {
            "SELECT child.relname::text AS child, parent.relname::text AS parent
             FROM pg_constraint k
             JOIN pg_class child ON child.oid = k.conrelid
             JOIN pg_class parent ON parent.oid = k.confrelid
             WHERE k.contype = 'f' AND k.connamespace = current_schema()::regnamespace"
        }
    };
    let mut parents: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in sqlx::query(references).fetch_all(connection).await? {
        let (child, parent) = (row.text("child")?, row.text("parent")?);
        if child != parent {
            parents.entry(child).or_default().insert(parent);
        }
    }
    Ok(parents)
}

fn in_order(
    mut waiting: BTreeMap<String, Table>,
    parents: &BTreeMap<String, BTreeSet<String>>,
) -> Result<Vec<Table>, StoreError> {
    let mut ordered: Vec<Table> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let free = |name: &String| {
            let mut parents = parents.get(name).into_iter().flatten();
            parents.all(|parent| !waiting.contains_key(parent))
        };
        let Some(next) = waiting.keys().find(|name| free(name)).cloned() else {
            let circle: Vec<_> = waiting.into_keys().collect();
            let reason = format!("the tables {} refer to each other", circle.join(", "));
            return Err(unreadable("schema", reason));
        };
        ordered.extend(waiting.remove(&next));
    }
    Ok(ordered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(tables: &[&str], references: &[(&str, &str)]) -> Option<Vec<String>> {
        let table = |name: &&str| {
            ((*name).to_owned(), Table { name: (*name).to_owned(), columns: Vec::new() })
        };
        let mut parents: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (child, parent) in references {
            parents.entry((*child).to_owned()).or_default().insert((*parent).to_owned());
        }
        let ordered = in_order(tables.iter().map(table).collect(), &parents).ok()?;
        Some(ordered.into_iter().map(|table| table.name).collect())
    }

    #[test]
    fn parents_come_before_their_children() {
        let ordered = order(&["a", "b", "c", "d"], &[("a", "c"), ("c", "d"), ("a", "d")]);
        assert_eq!(ordered.unwrap(), ["b", "d", "c", "a"]);
        assert_eq!(order(&["a", "b"], &[("a", "left out")]).unwrap(), ["a", "b"]);
    }

    #[test]
    fn a_circle_is_refused() {
        assert_eq!(order(&["a", "b"], &[("a", "b"), ("b", "a")]), None);
    }
}
