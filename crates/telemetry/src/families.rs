//! Every family that a node tells. docs/telemetry.md describes them; a test compares the two.

use crate::family::Family;
use crate::family::Kind::{Counter, Gauge, Histogram};
use crate::family::Label;

const OPERATION: Label = Label { name: "operation", otlp: "kijun.operation" };
const MODEL: Label = Label { name: "model", otlp: "gen_ai.request.model" };
const PROVIDER: Label = Label { name: "provider", otlp: "kijun.provider" };
const SERVICE_TIER: Label = Label { name: "service_tier", otlp: "kijun.service_tier" };
const OUTCOME: Label = Label { name: "outcome", otlp: "kijun.outcome" };
const STATUS_CLASS: Label = Label { name: "status_class", otlp: "kijun.status_class" };
const TOKEN_KIND: Label = Label { name: "kind", otlp: "kijun.token.kind" };
const CODE: Label = Label { name: "code", otlp: "error.type" };
const STATE: Label = Label { name: "state", otlp: "kijun.state" };
const SIGNAL: Label = Label { name: "signal", otlp: "kijun.signal" };
const VERSION: Label = Label { name: "version", otlp: "kijun.version" };

const GEN_AI_OPERATION: Label =
    Label { name: "gen_ai_operation_name", otlp: "gen_ai.operation.name" };
const GEN_AI_PROVIDER: Label = Label { name: "gen_ai_provider_name", otlp: "gen_ai.provider.name" };
const GEN_AI_MODEL: Label = Label { name: "gen_ai_request_model", otlp: "gen_ai.request.model" };
const GEN_AI_TOKEN_TYPE: Label = Label { name: "gen_ai_token_type", otlp: "gen_ai.token.type" };
const OPENAI_API_TYPE: Label = Label { name: "openai_api_type", otlp: "openai.api.type" };
const KIJUN_PROVIDER: Label = Label { name: "kijun_provider", otlp: "kijun.provider" };
const ERROR_TYPE: Label = Label { name: "error_type", otlp: "error.type" };

macro_rules! families {
    ($($const:ident = $kind:ident $name:literal, $otlp:literal, $unit:literal, $help:literal,
        [$($label:expr),*];)*) => {
        $(
            #[doc = $help]
            pub static $const: Family = Family {
                name: $name,
                otlp: $otlp,
                unit: $unit,
                kind: $kind,
                help: $help,
                labels: &[$($label),*],
            };
        )*

        /// All of them, in the order in which they are told.
        pub static ALL: &[&Family] = &[$(&$const),*];
    };
}

families! {
    CALLS = Counter "kijun_calls_total", "kijun.calls", "{call}",
        "Admitted calls that were settled.",
        [OPERATION, MODEL, PROVIDER, SERVICE_TIER, OUTCOME, STATUS_CLASS];
    ATTEMPTS = Counter "kijun_attempts_total", "kijun.attempts", "{attempt}",
        "Attempts at providers, retries and fallbacks included.",
        [OPERATION, MODEL, PROVIDER];
    TOKENS = Counter "kijun_tokens_total", "kijun.tokens", "{token}",
        "Tokens. input and output are the whole; the other kinds are parts of them.",
        [OPERATION, MODEL, PROVIDER, TOKEN_KIND];
    COST = Counter "kijun_cost_dollars_total", "kijun.cost", "{USD}",
        "What calls cost, in US dollars by the price table.",
        [OPERATION, MODEL, PROVIDER];
    UNPRICED = Counter "kijun_unpriced_calls_total", "kijun.unpriced_calls", "{call}",
        "Calls that used tokens for which the price table has no price.",
        [OPERATION, MODEL, PROVIDER];
    ESTIMATED = Counter "kijun_estimated_calls_total", "kijun.estimated_calls", "{call}",
        "Calls whose tokens no provider reported, so that they were counted here.",
        [OPERATION, MODEL, PROVIDER];
    REFUSALS = Counter "kijun_refusals_total", "kijun.refusals", "{call}",
        "Calls that were not answered, admitted or not, by the code of the error.",
        [OPERATION, CODE];

    OPERATION_DURATION = Histogram "gen_ai_client_operation_duration_seconds",
        "gen_ai.client.operation.duration", "s",
        "Time from a call's arrival to the end of its answer.",
        [GEN_AI_OPERATION, GEN_AI_PROVIDER, GEN_AI_MODEL, OPENAI_API_TYPE, KIJUN_PROVIDER,
            ERROR_TYPE];
    TOKEN_USAGE = Histogram "gen_ai_client_token_usage", "gen_ai.client.token.usage", "{token}",
        "Input and output tokens of a call.",
        [GEN_AI_OPERATION, GEN_AI_PROVIDER, GEN_AI_MODEL, OPENAI_API_TYPE, KIJUN_PROVIDER,
            GEN_AI_TOKEN_TYPE];
    TIME_TO_FIRST_TOKEN = Histogram "gen_ai_server_time_to_first_token_seconds",
        "gen_ai.server.time_to_first_token", "s",
        "Time from a call's arrival to the first event of its stream.",
        [GEN_AI_OPERATION, GEN_AI_PROVIDER, GEN_AI_MODEL, OPENAI_API_TYPE, KIJUN_PROVIDER];
    TIME_PER_OUTPUT_TOKEN = Histogram "gen_ai_server_time_per_output_token_seconds",
        "gen_ai.server.time_per_output_token", "s",
        "Time per output token after the first, of calls that were streamed whole.",
        [GEN_AI_OPERATION, GEN_AI_PROVIDER, GEN_AI_MODEL, OPENAI_API_TYPE, KIJUN_PROVIDER];

    UNDER_WAY = Gauge "kijun_calls_under_way", "kijun.calls_under_way", "{call}",
        "Calls admitted and not yet settled.", [];
    WAITING = Gauge "kijun_calls_waiting", "kijun.calls_waiting", "{call}",
        "Calls that wait for their turn on this node.", [SERVICE_TIER];
    MODELS = Gauge "kijun_models", "kijun.models", "{model}",
        "Models that clients can name.", [];
    TARGETS = Gauge "kijun_targets", "kijun.targets", "{target}",
        "Targets of models by the state of their circuit breakers.", [PROVIDER, STATE];
    TARGET_CALLS = Gauge "kijun_target_calls_under_way", "kijun.target_calls_under_way", "{call}",
        "Calls under way at a provider.", [PROVIDER];
    PROVIDER_UP = Gauge "kijun_provider_up", "kijun.provider_up", "",
        "1 if the provider answered the last health probe.", [PROVIDER];
    STOPPING = Gauge "kijun_stopping", "kijun.stopping", "",
        "1 if the node was asked to stop and finishes what is under way.", [];

    DATABASE_UP = Gauge "kijun_database_up", "kijun.database_up", "",
        "1 if the database answered when the node last looked.", [];
    DATABASE_CONNECTIONS = Gauge "kijun_database_connections", "kijun.database_connections",
        "{connection}", "Connections to the database.", [STATE];
    DATABASE_CONNECTIONS_MAX = Gauge "kijun_database_connections_max",
        "kijun.database_connections_max", "{connection}",
        "Connections to the database at most.", [];

    JOURNAL_RECORDS = Gauge "kijun_journal_waiting_records", "kijun.journal_waiting_records",
        "{record}", "Records of calls of this process that are not in the database yet.", [];
    JOURNAL_AGE = Gauge "kijun_journal_waiting_seconds", "kijun.journal_waiting_time", "s",
        "For how long some records have been waiting; 0 if none is.", [];
    JOURNAL_BYTES = Gauge "kijun_journal_waiting_bytes", "kijun.journal_waiting", "By",
        "Bytes of records of calls that are not in the database yet.", [];
    JOURNAL_HELD = Gauge "kijun_journal_held_records", "kijun.journal_held_records", "{record}",
        "Records that the disk refused and that memory holds.", [];
    JOURNAL_LOST = Counter "kijun_journal_lost_records_total", "kijun.journal_lost_records",
        "{record}", "Records let go because disk, database and memory took no more.", [];
    JOURNAL_ASIDE = Counter "kijun_journal_aside_records_total", "kijun.journal_aside_records",
        "{record}", "Records that the database does not take and that lie aside in a file.", [];
    DISK_FREE = Gauge "kijun_disk_free_bytes", "kijun.disk_free", "By",
        "Bytes free on the disk of the journal.", [];
    DISK_SIZE = Gauge "kijun_disk_size_bytes", "kijun.disk_size", "By",
        "Bytes on the disk of the journal in all.", [];
    DISK = Gauge "kijun_disk", "kijun.disk", "",
        "1 for the state that the disk of the journal is in, 0 for the others.", [STATE];
    BODIES = Gauge "kijun_request_bodies_bytes", "kijun.request_bodies", "By",
        "Memory set aside for bodies of requests that are read or answered.", [];

    SHARED_LIMITS_UP = Gauge "kijun_shared_limits_up", "kijun.shared_limits_up", "",
        "1 if the counters that nodes share answer; 0 if this node holds its stated share.", [];
    NODES = Gauge "kijun_nodes", "kijun.nodes", "{node}",
        "Nodes that share the limits, as this one last heard.", [];
    NOTICES = Gauge "kijun_notices_waiting", "kijun.notices_waiting", "{notice}",
        "Webhooks and e-mails that wait to be delivered.", [];
    NOTICES_OLDEST = Gauge "kijun_notices_oldest_seconds", "kijun.notices_oldest", "s",
        "Age of the oldest that waits; 0 if none does.", [];
    NOTICES_FAILED = Counter "kijun_notices_failed_total", "kijun.notices_failed", "{notice}",
        "Webhooks and e-mails that were given up.", [];
    AUDIT_CHECKPOINT = Gauge "kijun_audit_checkpoint_timestamp_seconds",
        "kijun.audit_checkpoint_time", "s",
        "When the audit log was last checkpointed outside the database, in Unix time.", [];
    CERTIFICATE_EXPIRY = Gauge "kijun_certificate_expiry_timestamp_seconds",
        "kijun.certificate_expiry_time", "s",
        "When the server's certificate expires, in Unix time.", [];
    CONNECTIONS = Gauge "kijun_client_connections", "kijun.client_connections", "{connection}",
        "Connections of clients that are open.", [];

    EXPORTED = Counter "kijun_telemetry_exported_total", "kijun.telemetry_exported", "{item}",
        "Spans, log records and metric points that the collector took.", [SIGNAL];
    DROPPED = Counter "kijun_telemetry_dropped_total", "kijun.telemetry_dropped", "{item}",
        "Spans, log records and metric points that were let go.", [SIGNAL];

    BUILD = Gauge "kijun_build_info", "kijun.build", "",
        "Always 1; says which version runs.", [VERSION];
    PROCESS_CPU = Counter "process_cpu_seconds_total", "process.cpu.time", "s",
        "Processor time that the process used.", [];
    PROCESS_RESIDENT = Gauge "process_resident_memory_bytes", "process.memory.usage", "By",
        "Memory of the process that is in RAM.", [];
    PROCESS_VIRTUAL = Gauge "process_virtual_memory_bytes", "process.memory.virtual", "By",
        "Address space of the process.", [];
    PROCESS_FILES = Gauge "process_open_fds", "process.unix.file_descriptor.count",
        "{file_descriptor}", "File descriptors that are open.", [];
    PROCESS_MAX_FILES = Gauge "process_max_fds", "process.unix.file_descriptor.limit",
        "{file_descriptor}", "File descriptors that may be open.", [];
    PROCESS_THREADS = Gauge "process_threads", "process.thread.count", "{thread}",
        "Threads of the process.", [];
    PROCESS_START = Gauge "process_start_time_seconds", "process.start_time", "s",
        "When the process was started, in Unix time.", [];
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_follow_the_rules_of_both() {
        let mut seen = HashSet::new();
        for family in ALL {
            assert!(seen.insert(family.name) && seen.insert(family.otlp), "{}", family.name);
            let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(family.name.chars().all(word), "{}", family.name);
            assert_eq!(family.kind == Counter, family.name.ends_with("_total"), "{}", family.name);
            let name = family.name.trim_end_matches("_total");
            for (unit, suffix) in [("s", "_seconds"), ("By", "_bytes")] {
                assert_eq!(family.unit == unit, name.ends_with(suffix), "{}", family.name);
            }
            let labels: HashSet<_> = family.labels.iter().map(|label| label.name).collect();
            assert_eq!(labels.len(), family.labels.len(), "{}", family.name);
        }
    }

    #[test]
    fn every_family_and_label_is_in_the_documentation() {
        let docs = include_str!("../../../docs/telemetry.md");
        for family in ALL {
            let named = format!("`{}`", family.name);
            let line = docs.lines().find(|line| line.starts_with("| ") && line.contains(&named));
            let line = line.unwrap_or_else(|| panic!("{named} is not in docs/telemetry.md"));
            assert!(line.contains(family.kind.as_str()), "the kind of {named} is not in: {line}");
            for label in family.labels {
                let written = format!("`{}`", label.name);
                assert!(line.contains(&written), "the label {written} is not in: {line}");
            }
        }
        let known: HashSet<_> = ALL.iter().map(|family| family.name).collect();
        for line in
            docs.lines().filter(|line| line.starts_with("| `") && line.matches('|').count() == 5)
        {
            let name = line.split('`').nth(1).unwrap_or_default();
            let told = known.contains(name)
                || !line.contains("counter")
                    && !line.contains("gauge")
                    && !line.contains("histogram");
            assert!(told, "docs/telemetry.md tells of `{name}`, which there is not");
        }
    }
}
