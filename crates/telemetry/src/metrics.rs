//! Everything that is counted on a node, and whoever else is asked when somebody reads it.

use std::sync::{Arc, OnceLock, Weak};

use gateway::{Gateway, Refusal, Watch};
use kernel::{CallRecord, Operation, SharedClock, Timestamp};

use crate::collect;
use crate::convention::Vendor;
use crate::exposition::{Exposition, Format};
use crate::otlp::Tally;
use crate::refusals::Refusals;
use crate::series::{CALL_SERIES, DURATION_SERIES, Room};
use crate::sources::Sources;
use crate::table::Table;

/// Series that one family has at most: OpenTelemetry's own limit. Those that take what has no room
/// are among them.
const SERIES: usize = 2_000;

/// The metrics of a node. It watches calls from the beginning; what it tells besides, it asks the
/// gateway and the [`Sources`] for once they are [attached](Self::attach).
#[derive(Debug)]
pub struct Metrics {
    pub(crate) clock: SharedClock,
    pub(crate) started: Timestamp,
    pub(crate) table: Table,
    pub(crate) refusals: Refusals,
    pub(crate) tally: Arc<Tally>,
    room_for_calls: Room,
    room_for_durations: Room,
    node: OnceLock<Node>,
}

/// Who is asked when somebody reads.
#[derive(Debug)]
struct Node {
    gateway: Weak<Gateway>,
    sources: Arc<dyn Sources>,
}

impl Metrics {
    /// Metrics of a process that starts now.
    pub fn new(clock: SharedClock) -> Arc<Self> {
        Arc::new(Self {
            started: clock.now(),
            clock,
            table: Table::new(),
            refusals: Refusals::default(),
            tally: Arc::default(),
            room_for_calls: Room::for_series(SERIES - Operation::ALL.len() * CALL_SERIES),
            room_for_durations: Room::for_series(SERIES - Operation::ALL.len() * DURATION_SERIES),
            node: OnceLock::new(),
        })
    }

    /// From now on, the gateway and these parts of the node are asked, too. Only the first time
    /// counts.
    pub fn attach(&self, gateway: &Arc<Gateway>, sources: Arc<dyn Sources>) {
        let _ = self.node.set(Node { gateway: Arc::downgrade(gateway), sources });
    }

    /// Everything, as Prometheus reads it. It reads files of the process and may be long, so it is
    /// no work for a thread that answers calls.
    pub fn exposition(&self, format: Format) -> String {
        let mut exposition = Exposition::new(format);
        collect::everything(self, &mut exposition);
        exposition.finish()
    }

    pub(crate) fn gateway(&self) -> Option<Arc<Gateway>> {
        self.node.get()?.gateway.upgrade()
    }

    pub(crate) fn sources(&self) -> Option<&dyn Sources> {
        self.node.get().map(|node| &*node.sources)
    }

    pub(crate) fn vendor(&self, provider: &str) -> Vendor {
        Vendor::of(self.gateway().as_deref(), provider)
    }
}

impl Watch for Metrics {
    fn settled(&self, record: &CallRecord, _traceparent: Option<&str>) {
        let provider = if record.provider.is_empty() { "none" } else { &record.provider };
        let names = (record.operation, record.model.as_str(), provider);
        self.table.with(
            names,
            || self.vendor(provider),
            |series| {
                let other = self.table.other(record.operation);
                if !series.count_call(record, &self.room_for_calls) {
                    other.count_call(record, &Room::for_series(CALL_SERIES));
                }
                if !series.count_duration(record, &self.room_for_durations) {
                    other.count_duration(record, &Room::for_series(DURATION_SERIES));
                }
                series.count(record);
            },
        );
    }

    fn refused(&self, refusal: &Refusal, operation: Operation) {
        self.refusals.count(refusal, operation);
    }
}
