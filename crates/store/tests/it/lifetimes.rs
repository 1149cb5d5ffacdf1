//! `docs/data-lifetimes.md` names every stored field.

use sqlx::{AnyConnection, Connection, Row};

use crate::bench::Bench;

const TEXT: &str = include_str!("../../../../docs/data-lifetimes.md");

#[tokio::test]
async fn every_column_has_its_line() {
    let bench = Bench::sqlite().await;
    let mut connection = AnyConnection::connect(&bench.url).await.unwrap();
    let columns = sqlx::query(
        "SELECT t.name AS table_name, c.name AS column_name
         FROM sqlite_master t, pragma_table_info(t.name) c WHERE t.type = 'table'",
    );
    let columns = columns.fetch_all(&mut connection).await.unwrap();
    assert!(columns.len() > 80, "the query finds the schema");
    for row in columns {
        let (table, column): (String, String) = (row.get(0), row.get(1));
        let sections = TEXT.split("\n### ").filter(|section| {
            let heading = section.lines().next().unwrap_or_default();
            heading.split(", ").any(|name| name == table)
        });
        let mut words = sections.flat_map(|section| section.split([' ', ',', '|', '\n', '.', '`']));
        assert!(
            words.any(|word| word == column),
            "{table}.{column} has no line in data-lifetimes.md"
        );
    }
}
