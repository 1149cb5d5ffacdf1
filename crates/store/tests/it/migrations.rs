//! A database of an older version becomes one of the newest, with all that is in it.

use kernel::{Money, Scope, Timestamp};
use store::{GroupBy, Page, Store, UsageQuery};

use crate::bench::{Bench, execute, open};
use crate::content::fill;

const FIRST: &str = include_str!("../../migrations/0001_first.sql");

/// What a node of version 1 may have left behind.
const ROWS: &str = "
    CREATE TABLE schema_version (version BIGINT PRIMARY KEY, applied_at BIGINT NOT NULL);
    INSERT INTO schema_version (version, applied_at) VALUES (1, 1000);
    UPDATE generation SET value = 41;
    INSERT INTO organization (id, name, created_at) VALUES ('org-1', 'Acme', 1000);
    INSERT INTO project (id, organization_id, name, created_at, model_mode, models)
        VALUES ('proj_1', 'org-1', 'Main', 1000, 'all', '[]');
    INSERT INTO call (id, started_at, duration_us, organization_id, project_id, api_key_id,
        operation, model, provider, upstream_model, stream, status, outcome, attempts, input_tokens,
        input_cached_tokens, input_cache_write_tokens, input_audio_tokens, input_image_tokens,
        output_tokens, output_reasoning_tokens, output_audio_tokens, estimated, cost)
        VALUES ('req_1', 5, 7, 'org-1', 'proj_1', 'key_1', 'chat_completions', 'gpt-5', 'mock',
        'gpt-5-1', 0, 200, 'completed', 1, 11, 0, 0, 0, 0, 13, 0, 0, 0, 17);";

#[tokio::test]
async fn the_first_version_becomes_the_newest() {
    let mut bench = Bench::sqlite().await;
    bench.store.close().await;
    let folder = tempfile::tempdir().unwrap();
    bench.url = format!("sqlite://{}", folder.path().join("old.db").display());
    execute(&format!("{}?mode=rwc", bench.url), &old("BLOB", " WITHOUT ROWID")).await;
    upgrade(&mut bench).await;
}

#[tokio::test]
async fn the_first_version_becomes_the_newest_on_postgres() {
    let Some(mut bench) = Bench::postgres().await else { return };
    bench.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public").await;
    execute(&bench.url, &old("BYTEA", "")).await;
    upgrade(&mut bench).await;
    bench.remove().await;
}

fn old(bytes: &str, clustered: &str) -> String {
    FIRST.replace("{bytes}", bytes).replace("{clustered}", clustered) + ROWS
}

async fn upgrade(bench: &mut Bench) {
    bench.store = open(&bench.url, &bench.vault, &bench.clock).await.unwrap();
    let store: &Store = &bench.store;
    let scope = Scope::organization("org-1".into());
    assert_eq!(store.generation().await.unwrap(), 41);
    assert_eq!(store.project_list(&scope, &Page::default()).await.unwrap().data.len(), 1);
    let call = store.call_get(&scope, &"req_1".into()).await.unwrap();
    assert_eq!((call.usage.input, call.usage.output), (11, 13));
    assert_eq!((call.response, call.batch), (None, None));
    assert_eq!(call.started_at, Timestamp::from_micros(5));

    // What was in the ledger is in the sums.
    let query = UsageQuery {
        group_by: vec![GroupBy::User, GroupBy::ServiceTier],
        ..UsageQuery::new(Vec::new(), Timestamp::default())
    };
    let row = store.usage(&scope, &query).await.unwrap().buckets.remove(0).results.remove(0);
    assert_eq!((row.requests, row.input, row.output, row.cost), (1, 11, 13, Money::from_nanos(17)));
    assert_eq!((row.user_id, row.service_tier.as_deref()), (None, Some("default")));
    let first_day = Timestamp::default()..Timestamp::from_secs(86_400);
    assert_eq!(store.usage_check(&scope, first_day).await.unwrap(), []);
    assert_eq!(bench.number("SELECT COUNT(*) FROM usage_by_key_minute").await, 1);

    assert!(bench.number("SELECT MAX(version) FROM schema_version").await >= 4);
    assert_eq!(bench.number("SELECT MIN(applied_at) FROM schema_version").await, 1000);

    // The new tables work beside the old rows.
    let tenant = bench.tenant("Beta").await;
    fill(bench, &tenant, "1", "x").await;
    let again = bench.reopen(&bench.vault).await.unwrap();
    assert!(again.response_get(&tenant.scope, &"resp_1".into()).await.is_ok());
    again.close().await;
}
