//! Everything that a node tells, gathered once for whoever writes it down: as text for Prometheus,
//! or as messages for OpenTelemetry.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use gateway::journal::{DiskState, JournalState};
use gateway::target::{BreakerState, Health};
use gateway::{Gateway, SharedState};
use kernel::Timestamp;

use crate::families as family;
use crate::family::{Family, OTHER};
use crate::histogram::{Counted, Histogram};
use crate::metrics::Metrics;
use crate::process::Process;
use crate::series::Series;
use crate::sources::Sources;

/// Providers that have series of their own.
const PROVIDERS: usize = 200;

/// Who writes it down. Families come one after the other, each with all of its series.
pub(crate) trait Sink {
    /// A family begins.
    fn family(&mut self, family: &'static Family);

    /// A series of it, with the values of its labels. An empty value is as good as no label.
    fn number(&mut self, labels: &[&str], value: f64);

    /// A series of it, if it is one of histograms.
    fn histogram(&mut self, labels: &[&str], counted: &Counted);
}

/// Tells everything.
pub(crate) fn everything(metrics: &Metrics, sink: &mut dyn Sink) {
    let mut out = Out(sink);
    let series = metrics.table.all();
    calls(&series, &mut out);
    out.family(&family::REFUSALS);
    metrics.refusals.each(|operation, code, count| {
        out.0.number(&[operation.as_str(), code], count as f64);
    });
    histograms(&series, &mut out);
    if let Some(gateway) = metrics.gateway() {
        of_gateway(&gateway, metrics.clock.now(), &mut out);
    }
    if let Some(sources) = metrics.sources() {
        of_sources(sources, &mut out);
    }
    of_export(metrics, &mut out);
    of_process(metrics, &mut out);
}

struct Out<'a>(&'a mut dyn Sink);

impl Out<'_> {
    fn family(&mut self, family: &'static Family) {
        self.0.family(family);
    }

    /// A family with one series, without labels.
    fn one(&mut self, family: &'static Family, value: f64) {
        self.0.family(family);
        self.0.number(&[], value);
    }

    fn count(&mut self, family: &'static Family, value: u64) {
        self.one(family, value as f64);
    }

    fn flag(&mut self, family: &'static Family, value: bool) {
        self.count(family, u64::from(value));
    }

    fn time(&mut self, family: &'static Family, at: Timestamp) {
        self.one(family, at.as_micros() as f64 / 1e6);
    }

    /// A family with a count for each series that is not zero.
    fn each(
        &mut self,
        family: &'static Family,
        series: &[Arc<Series>],
        value: impl Fn(&Series) -> f64,
    ) {
        self.0.family(family);
        for series in series {
            let value = value(series);
            if value > 0.0 {
                self.0.number(&series.labels(), value);
            }
        }
    }

    fn histogram(&mut self, labels: &[&str], histogram: &Histogram) {
        if let Some(counted) = histogram.read() {
            self.0.histogram(labels, &counted);
        }
    }
}

fn calls(series: &[Arc<Series>], out: &mut Out<'_>) {
    out.family(&family::CALLS);
    for series in series {
        let [operation, model, provider] = series.labels();
        for ([tier, outcome, class], count) in series.calls() {
            let labels = [operation, model, provider, tier, outcome, class];
            out.0.number(&labels, count as f64);
        }
    }
    out.each(&family::ATTEMPTS, series, |series| series.attempts() as f64);
    out.family(&family::TOKENS);
    for series in series {
        let [operation, model, provider] = series.labels();
        for (kind, count) in series.tokens() {
            out.0.number(&[operation, model, provider, kind], count);
        }
    }
    out.each(&family::COST, series, Series::cost_dollars);
    out.each(&family::UNPRICED, series, |series| series.unpriced() as f64);
    out.each(&family::ESTIMATED, series, |series| series.estimated() as f64);
}

fn histograms(series: &[Arc<Series>], out: &mut Out<'_>) {
    out.family(&family::OPERATION_DURATION);
    for series in series {
        for (error, histogram) in series.durations() {
            out.histogram(&with(series.convention_labels(), error), histogram);
        }
    }
    out.family(&family::TOKEN_USAGE);
    for series in series {
        for (kind, histogram) in series.usage() {
            out.histogram(&with(series.convention_labels(), kind), histogram);
        }
    }
    out.family(&family::TIME_TO_FIRST_TOKEN);
    for series in series {
        out.histogram(&series.convention_labels(), series.first_token());
    }
    out.family(&family::TIME_PER_OUTPUT_TOKEN);
    for series in series {
        out.histogram(&series.convention_labels(), series.per_token());
    }
}

/// The conventions' labels, and one more.
fn with<'a>([a, b, c, d, e]: [&'a str; 5], last: &'a str) -> [&'a str; 6] {
    [a, b, c, d, e, last]
}

/// The targets of one provider.
#[derive(Default)]
struct Targets {
    closed: u64,
    half_open: u64,
    open: u64,
    under_way: u64,
    probe_failed: bool,
}

impl Targets {
    fn add(&mut self, health: &Health, now: Timestamp) {
        match health.breaker(now) {
            BreakerState::Closed => self.closed += 1,
            BreakerState::HalfOpen => self.half_open += 1,
            BreakerState::Open => self.open += 1,
        }
        self.under_way += u64::from(health.under_way());
        self.probe_failed |= health.probe_failed();
    }
}

fn of_gateway(gateway: &Gateway, now: Timestamp, out: &mut Out<'_>) {
    out.count(&family::UNDER_WAY, gateway.settler().under_way());
    out.family(&family::WAITING);
    for (tier, count) in gateway.waiting() {
        out.0.number(&[tier.as_str()], count as f64);
    }
    of_providers(gateway, now, out);
    out.flag(&family::STOPPING, gateway.settler().stopping());
    out.flag(&family::DATABASE_UP, gateway.database_answers());
    of_journal(&gateway.journal(), out);
    out.count(&family::BODIES, gateway.rooms().taken());
    of_shared_limits(gateway.shared_limits(), out);
}

fn of_providers(gateway: &Gateway, now: Timestamp, out: &mut Out<'_>) {
    let snapshot = gateway.snapshot();
    let aliases = snapshot.routes.sorted();
    let mut providers: BTreeMap<&str, Targets> = BTreeMap::new();
    // Two aliases may have one target in common; its health is one.
    let mut seen = HashSet::new();
    for target in aliases.iter().flat_map(|alias| &alias.targets) {
        if !seen.insert(Arc::as_ptr(&target.health)) {
            continue;
        }
        let room = providers.len() < PROVIDERS || providers.contains_key(&*target.provider_name);
        let name = if room { &*target.provider_name } else { OTHER };
        providers.entry(name).or_default().add(&target.health, now);
    }
    out.count(&family::MODELS, aliases.len() as u64);
    out.family(&family::TARGETS);
    for (provider, targets) in &providers {
        let states =
            [("closed", targets.closed), ("half_open", targets.half_open), ("open", targets.open)];
        for (state, count) in states {
            out.0.number(&[provider, state], count as f64);
        }
    }
    out.family(&family::TARGET_CALLS);
    for (provider, targets) in &providers {
        out.0.number(&[provider], targets.under_way as f64);
    }
    out.family(&family::PROVIDER_UP);
    for (provider, targets) in &providers {
        out.0.number(&[provider], f64::from(u8::from(!targets.probe_failed)));
    }
}

fn of_journal(journal: &JournalState, out: &mut Out<'_>) {
    out.count(&family::JOURNAL_RECORDS, journal.waiting_records);
    out.one(&family::JOURNAL_AGE, journal.waiting_for.as_secs_f64());
    out.count(&family::JOURNAL_BYTES, journal.waiting_bytes);
    out.count(&family::JOURNAL_HELD, journal.held_records);
    out.count(&family::JOURNAL_LOST, journal.lost_records);
    out.count(&family::JOURNAL_ASIDE, journal.aside_records);
    out.count(&family::DISK_FREE, journal.free_bytes);
    out.count(&family::DISK_SIZE, journal.size_bytes);
    out.family(&family::DISK);
    for (name, state) in [
        ("roomy", DiskState::Roomy),
        ("filling_up", DiskState::FillingUp),
        ("full", DiskState::Full),
    ] {
        out.0.number(&[name], f64::from(u8::from(journal.disk == state)));
    }
}

fn of_shared_limits(state: SharedState, out: &mut Out<'_>) {
    let (up, nodes) = match state {
        SharedState::NotShared => return,
        SharedState::Answering { nodes } => (true, nodes),
        SharedState::Lost { nodes, .. } => (false, nodes),
    };
    out.flag(&family::SHARED_LIMITS_UP, up);
    out.count(&family::NODES, nodes);
}

fn of_sources(sources: &dyn Sources, out: &mut Out<'_>) {
    if let Some(pool) = sources.database() {
        out.family(&family::DATABASE_CONNECTIONS);
        out.0.number(&["busy"], pool.busy as f64);
        out.0.number(&["idle"], pool.idle as f64);
        out.count(&family::DATABASE_CONNECTIONS_MAX, pool.most);
    }
    if let Some(notices) = sources.notices() {
        out.count(&family::NOTICES, notices.waiting);
        out.one(&family::NOTICES_OLDEST, notices.oldest.as_secs_f64());
        out.count(&family::NOTICES_FAILED, notices.failed);
    }
    if let Some(at) = sources.audit_checkpoint() {
        out.time(&family::AUDIT_CHECKPOINT, at);
    }
    if let Some(at) = sources.certificate_expiry() {
        out.time(&family::CERTIFICATE_EXPIRY, at);
    }
    if let Some(connections) = sources.connections() {
        out.count(&family::CONNECTIONS, connections);
    }
}

fn of_export(metrics: &Metrics, out: &mut Out<'_>) {
    let tallies = metrics.tally.read();
    if tallies.is_empty() {
        return;
    }
    out.family(&family::EXPORTED);
    for (signal, counts) in &tallies {
        out.0.number(&[signal.as_str()], counts.exported as f64);
    }
    out.family(&family::DROPPED);
    for (signal, counts) in &tallies {
        out.0.number(&[signal.as_str()], counts.dropped as f64);
    }
}

fn of_process(metrics: &Metrics, out: &mut Out<'_>) {
    out.family(&family::BUILD);
    out.0.number(&[env!("CARGO_PKG_VERSION")], 1.0);
    if let Some(process) = Process::read() {
        out.one(&family::PROCESS_CPU, process.cpu_seconds);
        out.count(&family::PROCESS_RESIDENT, process.resident_bytes);
        out.count(&family::PROCESS_VIRTUAL, process.virtual_bytes);
        out.count(&family::PROCESS_FILES, process.open_files);
        if let Some(most) = process.max_files {
            out.count(&family::PROCESS_MAX_FILES, most);
        }
        out.count(&family::PROCESS_THREADS, process.threads);
    }
    out.time(&family::PROCESS_START, metrics.started);
}
