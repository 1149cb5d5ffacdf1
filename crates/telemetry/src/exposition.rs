//! The text that Prometheus reads: its own format, and OpenMetrics for whoever asks for it.

use std::fmt::Write as _;

use crate::collect::Sink;
use crate::family::{Family, Kind};
use crate::histogram::Counted;

/// How the text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format, 0.0.4.
    Prometheus,
    /// OpenMetrics, 1.0.0.
    OpenMetrics,
}

impl Format {
    /// What a client that sends this `Accept` gets: OpenMetrics if it names it.
    pub fn accepted(accept: Option<&str>) -> Self {
        let named = |accept: &str| {
            accept.split(',').any(|kind| kind.trim().starts_with("application/openmetrics-text"))
        };
        if accept.is_some_and(named) { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// Its `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The text, as it grows.
#[derive(Debug)]
pub(crate) struct Exposition {
    format: Format,
    text: String,
    family: Option<&'static Family>,
}

impl Exposition {
    /// Without anything yet.
    pub(crate) fn new(format: Format) -> Self {
        Self { format, text: String::with_capacity(16 * 1024), family: None }
    }

    /// The whole text.
    pub(crate) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    fn sample(&mut self, suffix: &str, labels: &[&str], bound: Option<&str>, value: f64) {
        let Some(family) = self.family else { return };
        self.text.push_str(family.name);
        self.text.push_str(suffix);
        let named = family.labels.iter().map(|label| label.name).zip(labels.iter().copied());
        let all = named.filter(|(_, value)| !value.is_empty()).chain(bound.map(|le| ("le", le)));
        let mut separator = '{';
        for (name, value) in all {
            self.text.push(separator);
            self.text.push_str(name);
            self.text.push_str("=\"");
            escape(value, &mut self.text);
            self.text.push('"');
            separator = ',';
        }
        if separator == ',' {
            self.text.push('}');
        }
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, " {value}");
    }
}

impl Sink for Exposition {
    fn family(&mut self, family: &'static Family) {
        self.family = Some(family);
        // OpenMetrics names a counter's family without what its samples end in.
        let name = match self.format {
            Format::OpenMetrics => family.name.trim_end_matches("_total"),
            Format::Prometheus => family.name,
        };
        let _ = writeln!(self.text, "# HELP {name} {}", family.help);
        let _ = writeln!(self.text, "# TYPE {name} {}", family.kind.as_str());
    }

    fn number(&mut self, labels: &[&str], value: f64) {
        debug_assert!(self.family.is_some_and(|family| {
            family.kind != Kind::Histogram && family.labels.len() == labels.len()
        }));
        self.sample("", labels, None, value);
    }

    fn histogram(&mut self, labels: &[&str], counted: &Counted) {
        debug_assert!(self.family.is_some_and(|family| {
            family.kind == Kind::Histogram && family.labels.len() == labels.len()
        }));
        let mut below = 0;
        for (count, bound) in counted.counts.iter().zip(counted.scale.bounds()) {
            below += count;
            self.sample("_bucket", labels, Some(&format!("{bound:?}")), below as f64);
        }
        let total = counted.total() as f64;
        self.sample("_bucket", labels, Some("+Inf"), total);
        self.sample("_sum", labels, None, counted.sum);
        self.sample("_count", labels, None, total);
    }
}

/// Names of models and providers may hold anything.
fn escape(value: &str, text: &mut String) {
    for one in value.chars() {
        match one {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families;
    use crate::histogram::{Histogram, PER_TOKEN};

    #[test]
    fn numbers_are_written_with_their_labels() {
        let mut exposition = Exposition::new(Format::Prometheus);
        exposition.family(&families::TARGET_CALLS);
        exposition.number(&["a \"b\" \\ \n"], 3.0);
        exposition.number(&[""], 0.25);
        let text = exposition.finish();
        assert!(text.starts_with("# HELP kijun_target_calls_under_way Calls under way"), "{text}");
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "# TYPE kijun_target_calls_under_way gauge",
                r#"kijun_target_calls_under_way{provider="a \"b\" \\ \n"} 3"#,
                "kijun_target_calls_under_way 0.25",
            ]
        );
    }

    #[test]
    fn a_histogram_adds_up() {
        let histogram = Histogram::new(&PER_TOKEN);
        histogram.observe(10_000);
        histogram.observe(3_000_000);
        let mut exposition = Exposition::new(Format::Prometheus);
        exposition.family(&families::TIME_PER_OUTPUT_TOKEN);
        exposition
            .histogram(&["chat", "openai", "m", "responses", "p"], &histogram.read().unwrap());
        let text = exposition.finish();
        let ends: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(ends.len(), 13 + 3);
        assert!(ends[0].contains(r#"kijun_provider="p",le="0.01"} 1"#), "{}", ends[0]);
        assert!(ends[12].ends_with(r#"le="2.5"} 1"#), "{}", ends[12]);
        assert!(ends[13].ends_with(r#"le="+Inf"} 2"#), "{}", ends[13]);
        assert!(ends[14].ends_with("} 3.01") && ends[14].contains("_sum{"), "{}", ends[14]);
        assert!(ends[15].ends_with("} 2") && ends[15].contains("_count{"), "{}", ends[15]);
    }

    #[test]
    fn openmetrics_is_for_who_asks_for_it() {
        let asks = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2";
        assert_eq!(Format::accepted(Some(asks)), Format::OpenMetrics);
        assert_eq!(Format::accepted(Some("*/*")), Format::Prometheus);
        assert_eq!(Format::accepted(None), Format::Prometheus);
        let mut exposition = Exposition::new(Format::OpenMetrics);
        exposition.family(&families::JOURNAL_LOST);
        exposition.number(&[], 1.0);
        let text = exposition.finish();
        assert!(text.contains("# TYPE kijun_journal_lost_records counter\n"), "{text}");
        assert!(text.ends_with("\nkijun_journal_lost_records_total 1\n# EOF\n"), "{text}");
    }
}
