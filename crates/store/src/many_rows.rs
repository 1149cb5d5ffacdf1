//! Statements that write many rows at once.

use crate::database::Engine;

/// Rows per statement, in turn until no row is left. A few sizes that come again and again stay
/// prepared.
///
/// To PostgreSQL each statement is a way there and back. The largest binds some 7 500 of the 65 535
/// values that one may; more make a row no cheaper.
const POSTGRES_CHUNKS: &[usize] = &[256, 64, 16, 4, 2, 1];

/// SQLite is in this process, and what it keeps of a prepared statement is kilobytes a row: one of
/// 256 rows of the ledger held 10 MB and was no faster.
const SQLITE_CHUNKS: &[usize] = &[32, 8, 2, 1];

const fn chunks(engine: Engine) -> &'static [usize] {
    match engine {
        Engine::Postgres => POSTGRES_CHUNKS,
        Engine::Sqlite => SQLITE_CHUNKS,
    }
}

/// All rows, in runs of a few sizes.
pub(crate) fn in_chunks<T>(engine: Engine, rows: &[T]) -> Vec<&[T]> {
    let mut rest = rows;
    let mut all = Vec::new();
    for &size in chunks(engine) {
        let chunks = rest.chunks_exact(size);
        rest = chunks.remainder();
        all.extend(chunks);
    }
    all
}

/// `INSERT` of that many rows, without an end. SQLite finds a numbered placeholder by search, which
/// over thousands of them costs more than the insert; so there they have no numbers.
pub(crate) fn insert_statement(
    engine: Engine,
    table: &str,
    columns: &[&str],
    rows: usize,
) -> String {
    let mut sql = format!("INSERT INTO {table} ({}) VALUES ", columns.join(", "));
    for place in 0..rows * columns.len() {
        sql.push_str(match (place, place % columns.len()) {
            (0, _) => "(",
            (_, 0) => "), (",
            _ => ", ",
        });
        match engine {
            Engine::Sqlite => sql.push('?'),
            Engine::Postgres => sql.push_str(&format!("${}", place + 1)),
        }
    }
    sql.push(')');
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ledger's; no table that is written in many rows has more columns.
    const MOST_COLUMNS: usize = 29;

    #[test]
    fn a_whole_chunk_stays_under_what_a_statement_binds() {
        assert!(SQLITE_CHUNKS.iter().all(|rows| rows * MOST_COLUMNS <= 32_766));
        assert!(POSTGRES_CHUNKS.iter().all(|rows| rows * MOST_COLUMNS <= 65_535));
    }

    #[test]
    fn every_row_is_in_one_chunk() {
        let rows: Vec<_> = (0..600).collect();
        for engine in [Engine::Sqlite, Engine::Postgres] {
            let runs = in_chunks(engine, &rows);
            assert!(runs.iter().all(|run| chunks(engine).contains(&run.len())));
            assert_eq!(runs.concat(), rows);
        }
    }

    #[test]
    fn the_statement_has_a_place_for_every_value() {
        let numbered = insert_statement(Engine::Postgres, "bird", &["id", "song", "egg"], 2);
        assert_eq!(numbered, "INSERT INTO bird (id, song, egg) VALUES ($1, $2, $3), ($4, $5, $6)");
        let plain = insert_statement(Engine::Sqlite, "bird", &["id", "song", "egg"], 2);
        assert_eq!(plain, "INSERT INTO bird (id, song, egg) VALUES (?, ?, ?), (?, ?, ?)");
    }
}
