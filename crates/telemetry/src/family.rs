//! What a metric is: a family of series that differ in their labels only.

/// A family of series. It has one name for Prometheus and one for OpenTelemetry, which write names
/// and units differently.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// Its name for Prometheus, with its unit and, for a counter, `_total`.
    pub name: &'static str,
    /// Its name for OpenTelemetry.
    pub otlp: &'static str,
    /// Its unit, as UCUM writes it; empty: a mere number.
    pub unit: &'static str,
    /// What is counted.
    pub kind: Kind,
    /// What it says.
    pub help: &'static str,
    /// By what its series differ.
    pub labels: &'static [Label],
}

/// How a family's values behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It comes and goes.
    Gauge,
    /// It counts how often values fell into which range.
    Histogram,
}

impl Kind {
    /// The name that Prometheus has for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A label. Its values come from the configuration or from a fixed list, never from a client.
#[derive(Debug, PartialEq, Eq)]
pub struct Label {
    /// Its name for Prometheus.
    pub name: &'static str,
    /// Its name for OpenTelemetry.
    pub otlp: &'static str,
}

/// What takes the value of a label, or a count, when a family has no room for another series.
pub const OTHER: &str = "other";
