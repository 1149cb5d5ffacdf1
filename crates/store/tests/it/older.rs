//! Databases of every version before: upgraded with all that is in them, while nodes of that version
//! write on; and left as they were where that fails.

use kernel::{Scope, SystemRng};
use store::{Loader, Page, Snapshot, StoreConfig, StoreError};
use vault::{Aad, ContentKey, Vault};

use crate::bench::{Bench, execute, open, store_suite};

/// The schema's versions that were released, or worked with.
const MIGRATIONS: [&str; 5] = [
    include_str!("../../migrations/0001_first.sql"),
    include_str!("../../migrations/0002_state.sql"),
    include_str!("../../migrations/0003_files.sql"),
    include_str!("../../migrations/0004_batches.sql"),
    include_str!("../../migrations/0005_deletions.sql"),
];
const SECRET: &str = "a canary";

store_suite!(
    every_version_becomes_the_newest_with_all_that_is_in_it,
    a_node_of_an_older_version_writes_on,
    a_backup_of_every_version_is_restored_as_the_newest,
    a_migration_that_fails_leaves_the_version_before,
);

/// Makes the database that a node of this version leaves behind.
async fn make(bench: &Bench, version: usize) {
    bench.store.close().await;
    if is_sqlite(bench) {
        for file in ["", "-wal", "-shm"] {
            let path = bench.url.trim_start_matches("sqlite://").to_owned() + file;
            let _ = std::fs::remove_file(path);
        }
        execute(&format!("{}?mode=rwc", bench.url), "PRAGMA journal_mode = WAL").await;
    } else {
        bench.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public").await;
    }
    let (bytes, clustered) =
        if is_sqlite(bench) { ("BLOB", " WITHOUT ROWID") } else { ("BYTEA", "") };
    let mut sql = String::from(
        "CREATE TABLE schema_version (version BIGINT PRIMARY KEY, applied_at BIGINT NOT NULL);",
    );
    for (number, text) in (1..=version).zip(MIGRATIONS) {
        sql += &text.replace("{bytes}", bytes).replace("{clustered}", clustered);
        sql += &format!(";INSERT INTO schema_version (version, applied_at) VALUES ({number}, 7);");
    }
    let canary = bench.vault.seal(&Aad::new("vault_canary", "sealed", "1"), b"kijun").unwrap();
    let canary = literal(bench, &canary);
    sql += &format!("INSERT INTO vault_canary (id, sealed) VALUES (1, {canary});");
    bench.execute(&sql).await;
    bench.execute(&rows(bench, &bench.vault, version, "old")).await;
}

/// What a node of this version writes.
fn rows(bench: &Bench, vault: &Vault, version: usize, name: &str) -> String {
    let bytes = |bytes: &[u8]| literal(bench, bytes);
    let credential = vault.seal(&Aad::new("provider", "api_key", name), SECRET.as_bytes());
    let credential = bytes(&credential.unwrap());
    let mut sql = format!(
        "UPDATE generation SET value = value + 1;
        INSERT INTO organization (id, name, created_at) VALUES ('org-{name}', 'Acme', 7);
        INSERT INTO project (id, organization_id, name, created_at, model_mode, models)
            VALUES ('proj_{name}', 'org-{name}', 'Main', 7, 'all', '[]');
        INSERT INTO service_account (id, organization_id, project_id, name, role, created_at)
            VALUES ('user-{name}', 'org-{name}', 'proj_{name}', 'bot', 'member', 7);
        INSERT INTO api_key (id, organization_id, project_id, service_account_id, name, created_at)
            VALUES ('key_{name}', 'org-{name}', 'proj_{name}', 'user-{name}', 'laptop', 7);
        INSERT INTO api_key_secret (hash, key_id, redacted, created_at)
            VALUES ({}, 'key_{name}', 'sk-…', 7);
        INSERT INTO provider (name, kind, api_key, timeouts, discover, created_at, updated_at)
            VALUES ('{name}', 'openai', {credential}, '{{}}', 1, 7, 7);
        INSERT INTO usage_limit (id, organization_id, scope, measure, amount, created_at)
            VALUES ('lim_{name}', 'org-{name}', 'organization', 'requests_per_minute', 5, 7);
        INSERT INTO setting (name, value) VALUES ('{name}', 'x');
        INSERT INTO call (id, started_at, duration_us, organization_id, project_id, api_key_id,
            operation, model, provider, upstream_model, stream, status, outcome, attempts,
            input_tokens, input_cached_tokens, input_cache_write_tokens, input_audio_tokens,
            input_image_tokens, output_tokens, output_reasoning_tokens, output_audio_tokens,
            estimated, cost)
            VALUES ('req_{name}', 5, 7, 'org-{name}', 'proj_{name}', 'key_{name}',
            'chat_completions', 'gpt-5', '{name}', 'gpt-5', 0, 200, 'completed', 1, 11, 0, 0, 0, 0,
            13, 0, 0, 0, 17);",
        bytes(&[name.len() as u8; 32])
    );
    let project = format!("proj_{name}");
    let key = ContentKey::generate(&SystemRng);
    let sealed = |table: &str, column: &str, id: &str| {
        bytes(&key.seal(&Aad::new(table, column, id), SECRET.as_bytes(), &SystemRng).unwrap())
    };
    if version >= 2 {
        let place = Aad::new("project_key", "wrapped", &project);
        let wrapped = bytes(&vault.seal(&place, key.to_bytes().as_slice()).unwrap());
        let id = format!("resp_{name}");
        sql += &format!(
            "INSERT INTO project_key (project_id, wrapped, created_at)
                VALUES ('{project}', {wrapped}, 7);
            INSERT INTO response (id, organization_id, project_id, api_key_id, call_id, created_at,
                model, status, background, streamed, input, body)
                VALUES ('{id}', 'org-{name}', '{project}', 'key_{name}', 'req_{name}', 7, 'gpt-5',
                'completed', 0, 0, {}, {});
            INSERT INTO retention (id, organization_id, kind, days, updated_at)
                VALUES ('org-{name}', 'org-{name}', 'modified_abuse_monitoring', 30, 7);
            INSERT INTO call_origin (call_id, response_id) VALUES ('req_{name}', '{id}');",
            sealed("response", "input", &id),
            sealed("response", "body", &id)
        );
    }
    if version >= 3 {
        let id = format!("file-{name}");
        sql += &format!(
            "INSERT INTO file (id, organization_id, project_id, api_key_id, filename, purpose,
                bytes, created_at)
                VALUES ('{id}', 'org-{name}', '{project}', 'key_{name}', {}, 'user_data', 3, 7);
            INSERT INTO file_blob (file_id, position, blob, bytes)
                VALUES ('{id}', 0, 'blob-{name}', 3);",
            sealed("file", "filename", &id)
        );
    }
    if version >= 4 {
        sql += &format!(
            "INSERT INTO batch (id, organization_id, project_id, api_key_id, endpoint,
                completion_window, input_file_id, status, created_at, expires_at, total, completed,
                failed, input_tokens, input_cached_tokens, output_tokens, output_reasoning_tokens)
                VALUES ('batch_{name}', 'org-{name}', '{project}', 'key_{name}',
                '/v1/chat/completions', '24h', 'file-{name}', 'in_progress', 7,
                99999999999999999, 2, 1, 0, 5, 0, 6, 0);
            INSERT INTO batch_slice (batch_id, number, first_line, line_count, byte_offset,
                byte_length) VALUES ('batch_{name}', 1, 1, 1, 0, 3);"
        );
    }
    if version >= 5 {
        sql += &format!(
            "INSERT INTO deletion (id, organization_id, project_id, kind, cutoff, started_at,
                proven_at, row_count, blob_count, byte_count, digest)
                VALUES ('del_{name}', 'org-{name}', '{project}', 'response', 5, 6, 7, 1, 0, 0, 'd');"
        );
    }
    sql
}

/// What was written can be read by a node of this version.
async fn readable(url: &str, bench: &Bench, version: usize, name: &str) {
    let store = open(url, &bench.vault, &bench.clock).await.unwrap();
    let scope = Scope::organization(format!("org-{name}").as_str().into());
    let projects = store.project_list(&scope, &Page::default()).await.unwrap().data;
    assert_eq!(projects.len(), 1);
    let providers = store.provider_list().await.unwrap();
    let provider = providers.iter().find(|provider| provider.name == name).unwrap();
    let credential = provider.api_key.as_ref().map(secrecy::ExposeSecret::expose_secret);
    assert_eq!(credential, Some(SECRET));
    let call = store.call_get(&scope, &format!("req_{name}").as_str().into()).await.unwrap();
    assert_eq!((call.usage.input, call.usage.output), (11, 13));
    let directory = store.directory_load().await.unwrap();
    assert!(directory.secrets.iter().any(|secret| secret.hash == [name.len() as u8; 32]));
    if version >= 2 {
        let id = format!("resp_{name}");
        let response = store.response_get(&scope, &id.as_str().into()).await.unwrap();
        assert_eq!(response.body, SECRET.as_bytes());
        assert_eq!(call.response.map(|id| id.to_string()), Some(id));
    }
    let scope = Scope { project: Some(projects[0].id.clone()), ..scope };
    if version >= 3 {
        let file = store.file_get(&scope, &format!("file-{name}").as_str().into()).await.unwrap();
        assert_eq!((file.filename.as_str(), file.bytes), (SECRET, 3));
    }
    if version >= 4 {
        let id = format!("batch_{name}").as_str().into();
        assert_eq!(store.batch_get(&scope, &id).await.unwrap().counts.total, 2);
    }
    store.close().await;
}

async fn every_version_becomes_the_newest_with_all_that_is_in_it(bench: &Bench) {
    for version in 1..=MIGRATIONS.len() {
        make(bench, version).await;
        let before = counts(bench).await;
        readable(&bench.url, bench, version, "old").await;
        for (table, rows) in before {
            let now = bench.number(&format!("SELECT COUNT(*) FROM {table}")).await;
            assert!(now == rows || table == "schema_version", "{table} of version {version}");
        }
        assert_eq!(bench.number("SELECT value FROM generation").await, 1);
    }
}

async fn a_node_of_an_older_version_writes_on(bench: &Bench) {
    for version in 1..=MIGRATIONS.len() {
        make(bench, version).await;
        open(&bench.url, &bench.vault, &bench.clock).await.unwrap().close().await;
        bench.execute(&rows(bench, &bench.vault, version, "later")).await;
        readable(&bench.url, bench, version, "old").await;
        readable(&bench.url, bench, version, "later").await;
    }
}

async fn a_backup_of_every_version_is_restored_as_the_newest(bench: &Bench) {
    for version in 1..=MIGRATIONS.len() {
        make(bench, version).await;
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("restored.db").display());
        let config = |url: &str| StoreConfig { url: url.into(), max_connections: 2 };
        let mut snapshot = Snapshot::open(&config(&bench.url)).await.unwrap();
        assert_eq!(snapshot.schema_version(), version as i64, "it is not migrated");
        let mut bytes = Vec::new();
        let write = |piece: &[u8]| {
            bytes.extend_from_slice(piece);
            Ok::<_, StoreError>(())
        };
        snapshot.dump(write).await.unwrap();
        snapshot.release().await.unwrap().close().await;
        let mut loader = Loader::begin(&config(&url), bench.now()).await.unwrap();
        loader.feed(&bytes).await.unwrap();
        loader.finish(Some(&bench.vault)).await.unwrap();
        readable(&url, bench, version, "old").await;
    }
}

async fn a_migration_that_fails_leaves_the_version_before(bench: &Bench) {
    make(bench, 3).await;
    // Something of the same name stands where the fifth migration makes a table.
    bench.execute("CREATE TABLE deletion (x BIGINT)").await;
    let error = open(&bench.url, &bench.vault, &bench.clock).await.unwrap_err();
    assert!(error.to_string().contains("deletion"), "{error}");
    assert_eq!(bench.number("SELECT MAX(version) FROM schema_version").await, 4);
    assert_eq!(bench.number("SELECT COUNT(*) FROM file").await, 1);
    bench.execute("DROP TABLE deletion").await;
    readable(&bench.url, bench, 3, "old").await;
}

/// A session that uses a table for long holds up the migration, and the migration holds up nobody.
#[tokio::test]
async fn a_migration_that_waits_lets_others_pass() {
    let Some(bench) = Bench::postgres().await else { return };
    make(&bench, 5).await;
    let mut holder = crate::bench::connect(&bench.url).await;
    let held = "BEGIN; LOCK TABLE call IN ACCESS SHARE MODE";
    sqlx::raw_sql(held).execute(&mut holder).await.unwrap();
    let opening = open(&bench.url, &bench.vault, &bench.clock);
    let others = async {
        // It waits for the table now, and whoever wants to read it waits behind.
        while bench.number("SELECT COUNT(*) FROM pg_locks WHERE NOT granted").await == 0 {
            tokio::task::yield_now().await;
        }
        for _ in 0..3 {
            assert_eq!(bench.number("SELECT COUNT(*) FROM call").await, 1);
        }
        sqlx::raw_sql("COMMIT").execute(&mut holder).await.unwrap();
    };
    let (opened, ()) = tokio::join!(opening, others);
    opened.unwrap().close().await;
    readable(&bench.url, &bench, 5, "old").await;
    bench.remove().await;
}

/// The rows of every table.
async fn counts(bench: &Bench) -> Vec<(String, i64)> {
    let tables = if is_sqlite(bench) {
        "SELECT name FROM sqlite_master WHERE type = 'table'"
    } else {
        "SELECT table_name::text FROM information_schema.tables
         WHERE table_schema = current_schema()"
    };
    let mut counts = Vec::new();
    for table in bench.texts(tables).await {
        let rows = bench.number(&format!("SELECT COUNT(*) FROM {table}")).await;
        counts.push((table, rows));
    }
    counts
}

fn is_sqlite(bench: &Bench) -> bool {
    bench.url.starts_with("sqlite:")
}

/// Bytes as SQL writes them.
fn literal(bench: &Bench, bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    if is_sqlite(bench) { format!("X'{digits}'") } else { format!("'\\x{digits}'") }
}
