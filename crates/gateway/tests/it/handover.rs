//! The hand-over from the journal to the database, killed at every step: what was settled is in the
//! ledger in the end, each call once.
//!
//! The process that is killed is this test binary itself, asked to run [`child`] alone. It is told
//! what to do by further filters, which match no test.

use std::collections::HashSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use admission::{Spending, SpendingConfig, StoreBank};
use gateway::journal::{Journal, JournalConfig, Mover, Step, Steps};
use kernel::{
    CallRecord, Clock as _, Money, Operation, OrganizationId, Outcome, RequestId, Scope,
    ServiceTier, SystemClock, SystemRng, Timestamp, Usage,
};
use store::{CallFilter, Page, Store, StoreConfig, UsageQuery};
use vault::{MasterKey, Vault};

const ORGANIZATION: &str = "org-handover";
const CALLS: u32 = 120;

/// Small segments, so that they turn over.
fn config() -> JournalConfig {
    JournalConfig { segment_bytes: 4_000, ..JournalConfig::default() }
}

async fn store(folder: &Path) -> Store {
    let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRng));
    let key = MasterKey::from_base64(&format!("{}=", "A".repeat(43))).unwrap();
    let vault = Arc::new(Vault::new(&key, rng.clone()).unwrap());
    let url = format!("sqlite://{}", folder.join("kijun.db").display());
    Store::open(StoreConfig { url, max_connections: 4 }, vault, clock, rng).await.unwrap()
}

fn record(now: Timestamp) -> CallRecord {
    CallRecord {
        id: RequestId::new(now, &SystemRng),
        started_at: now,
        duration_us: 5,
        first_byte_us: Some(3),
        organization: ORGANIZATION.into(),
        project: "proj_1".into(),
        api_key: "key_1".into(),
        service_account: None,
        end_user: None,
        response: None,
        batch: None,
        operation: Operation::ChatCompletions,
        model: "m".into(),
        provider: "p".into(),
        upstream_model: "u".into(),
        stream: false,
        status: 200,
        outcome: Outcome::Completed,
        attempts: 1,
        service_tier: ServiceTier::Default,
        usage: Usage { input: 3, output: 4, ..Usage::default() },
        cost: Some(Money::from_nanos(7)),
    }
}

/// What the child was told by its filters.
fn told(word: &str) -> Option<String> {
    let mut words = std::env::args();
    words.find_map(|arg| arg.strip_prefix(word)?.strip_prefix('=').map(str::to_owned))
}

/// Settles calls, says which, and carries them; dies at the step it was told, the time it was told.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "this is the process that the test beside it kills"]
async fn child() {
    let Some(folder) = told("folder").map(PathBuf::from) else { return };
    let store = store(&folder).await;
    let steps = match told("step").zip(told("time")) {
        None => Steps::default(),
        Some((step, time)) => {
            let time: u32 = time.parse().unwrap();
            let seen = AtomicU32::new(0);
            Steps::told(move |taken| {
                if format!("{taken:?}") == step && seen.fetch_add(1, Ordering::SeqCst) + 1 == time {
                    std::process::abort();
                }
            })
        }
    };
    let journal = Journal::open_telling(&folder.join("journal"), config(), steps).unwrap();
    let journal = Arc::new(journal);
    let bank = Arc::new(StoreBank::new(store.clone(), "child", &SystemRng));
    let spending = Spending::new(bank, Arc::new(SystemClock), SpendingConfig::default());
    let mover = tokio::spawn(Mover::new(Arc::clone(&journal), store, spending).run());
    let calls = told("calls").map_or(0, |calls| calls.parse().unwrap());
    for _ in 0..calls {
        let record = record(SystemClock.now());
        let id = record.id.clone();
        journal.append(record);
        let mut out = std::io::stdout();
        writeln!(out, "settled {id}").and_then(|()| out.flush()).unwrap();
        tokio::time::sleep(Duration::from_millis(4)).await;
    }
    assert!(journal.carried(Duration::from_secs(30)).await);
    mover.abort();
}

/// Runs the child; the calls that it says it has settled.
fn run(folder: &Path, told: &[String]) -> Vec<String> {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["handover::child", "--exact", "--ignored", "--nocapture"])
        .arg(format!("folder={}", folder.display()))
        .args(told)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    // A test's own line may stand before the first word.
    let ids = said.lines().filter_map(|line| line.split_once("settled ").map(|(_, id)| id));
    ids.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_at_any_step_loses_and_doubles_nothing() {
    let mut runs = Vec::new();
    for step in Step::ALL {
        for time in [1, 3] {
            runs.push(tokio::task::spawn_blocking(move || killed_at(step, time)));
        }
    }
    for run in runs {
        let (folder, settled, step) = run.await.unwrap();
        let store = store(folder.path()).await;
        let scope = Scope::organization(OrganizationId::from(ORGANIZATION));
        let page = Page { limit: 1_000, ..Page::default() };
        let found = store.call_list(&scope, &CallFilter::default(), &page).await.unwrap().data;
        let ids: HashSet<String> = found.iter().map(|record| record.id.to_string()).collect();
        assert_eq!(ids.len(), found.len(), "{step:?}");
        let missing: Vec<_> = settled.iter().filter(|id| !ids.contains(*id)).collect();
        assert!(missing.is_empty(), "{step:?} lost {missing:?}");
        // Each process that died may have written one call that it did not come to say.
        assert!(ids.len() - settled.len() <= 2, "{step:?}: {} of {}", ids.len(), settled.len());
        let day = Timestamp::from_secs(SystemClock.now().as_secs() - 86_400);
        let query = UsageQuery::new(vec![Operation::ChatCompletions], day);
        let usage = store.usage(&scope, &query).await.unwrap();
        let rows = usage.buckets.iter().flat_map(|bucket| &bucket.results);
        let (calls, cost) = rows
            .fold((0, 0), |(calls, cost), row| (calls + row.requests, cost + row.cost.as_nanos()));
        let all = i64::try_from(ids.len()).unwrap();
        assert_eq!((calls, cost), (ids.len() as u64, 7 * all), "{step:?}: sums are of each once");
    }
}

/// A process that dies at a step, another that takes over and dies there, too, and a last one that
/// carries what is left.
fn killed_at(step: Step, time: u32) -> (tempfile::TempDir, Vec<String>, Step) {
    let folder = tempfile::tempdir().unwrap();
    let die = [format!("step={step:?}"), format!("time={time}"), format!("calls={CALLS}")];
    let mut settled = run(folder.path(), &die);
    settled.extend(run(folder.path(), &die));
    settled.extend(run(folder.path(), &["calls=1".to_owned()]));
    (folder, settled, step)
}

/// As on a disk that the journal itself has filled: no room even for the file of the place.
#[tokio::test(flavor = "multi_thread")]
async fn a_journal_whose_place_cannot_be_remembered_lets_go_of_what_is_carried() {
    let folder = tempfile::tempdir().unwrap();
    let journal_folder = folder.path().join("journal");
    std::fs::create_dir_all(journal_folder.join("cursor.next")).unwrap();
    let store = store(folder.path()).await;
    for _ in 0..2 {
        let journal = Arc::new(Journal::open(&journal_folder, config()).unwrap());
        let bank = Arc::new(StoreBank::new(store.clone(), "node", &SystemRng));
        let spending = Spending::new(bank, Arc::new(SystemClock), SpendingConfig::default());
        let mover = Mover::new(Arc::clone(&journal), store.clone(), spending);
        let mover = tokio::spawn(mover.run());
        for _ in 0..50 {
            journal.append(record(SystemClock.now()));
        }
        assert!(journal.carried(Duration::from_secs(30)).await);
        assert_eq!(journal.state().waiting_records, 0);
        let left = std::fs::read_dir(&journal_folder).unwrap().filter_map(|entry| {
            entry.unwrap().file_name().into_string().unwrap().strip_suffix(".journal").map(drop)
        });
        assert_eq!(left.count(), 1, "the one that is written");
        mover.abort();
    }
    let scope = Scope::organization(OrganizationId::from(ORGANIZATION));
    let page = Page { limit: 1_000, ..Page::default() };
    let found = store.call_list(&scope, &CallFilter::default(), &page).await.unwrap().data;
    assert_eq!(found.len(), 100, "each once, although some were carried again");
}
