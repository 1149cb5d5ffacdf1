//! Metrics as OpenTelemetry's messages have them: the same families and series that Prometheus
//! reads, all of them since the start of the process.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum, metric::Data, number_data_point,
};

use super::attributes::{self, Origin, text};
use super::carrier::Carrier;
use super::tally::Signal;
use crate::Metrics;
use crate::collect::{self, Sink};
use crate::family::{Family, Kind};
use crate::histogram::Counted;

/// Sends metrics every so often, and once more when the node stops.
pub(crate) async fn send(every: Duration, carrier: &Carrier, origin: &Origin, metrics: &Metrics) {
    let mut stopping = carrier.stopping();
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = stopping.asked() => {}
        }
        let last = stopping.now();
        let mut points = Points::of(metrics);
        collect::everything(metrics, &mut points);
        let items = points.count;
        carrier.deliver(Signal::Metrics, &points.message(origin), items).await;
        if last {
            return;
        }
    }
}

/// The message, as it grows.
struct Points {
    since: u64,
    now: u64,
    metrics: Vec<Metric>,
    family: Option<&'static Family>,
    count: usize,
}

impl Points {
    fn of(metrics: &Metrics) -> Self {
        let nanos = |at: kernel::Timestamp| {
            u64::try_from(at.as_micros()).unwrap_or(0).saturating_mul(1_000)
        };
        let (since, now) = (nanos(metrics.started), nanos(metrics.clock.now()));
        Self { since, now, metrics: Vec::new(), family: None, count: 0 }
    }

    fn message(self, origin: &Origin) -> ExportMetricsServiceRequest {
        let scope = ScopeMetrics {
            scope: attributes::scope(),
            metrics: self.metrics.into_iter().filter(|metric| !is_empty(metric)).collect(),
            ..ScopeMetrics::default()
        };
        let resource = ResourceMetrics {
            resource: origin.resource(),
            scope_metrics: vec![scope],
            ..ResourceMetrics::default()
        };
        ExportMetricsServiceRequest { resource_metrics: vec![resource] }
    }

    fn attributes(&self, labels: &[&str]) -> Vec<KeyValue> {
        let names = self.family.map(|family| family.labels).unwrap_or_default();
        let named = names.iter().zip(labels).filter(|(_, value)| !value.is_empty());
        named.map(|(label, value)| text(label.otlp, *value)).collect()
    }
}

fn is_empty(metric: &Metric) -> bool {
    match &metric.data {
        Some(Data::Gauge(gauge)) => gauge.data_points.is_empty(),
        Some(Data::Sum(sum)) => sum.data_points.is_empty(),
        Some(Data::Histogram(histogram)) => histogram.data_points.is_empty(),
        _ => true,
    }
}

impl Sink for Points {
    fn family(&mut self, family: &'static Family) {
        let cumulative = AggregationTemporality::Cumulative.into();
        let data = match family.kind {
            Kind::Counter => Data::Sum(Sum {
                aggregation_temporality: cumulative,
                is_monotonic: true,
                ..Sum::default()
            }),
            Kind::Gauge => Data::Gauge(Gauge::default()),
            Kind::Histogram => Data::Histogram(Histogram {
                aggregation_temporality: cumulative,
                ..Histogram::default()
            }),
        };
        self.family = Some(family);
        self.metrics.push(Metric {
            name: family.otlp.to_owned(),
            description: family.help.to_owned(),
            unit: family.unit.to_owned(),
            data: Some(data),
            ..Metric::default()
        });
    }

    fn number(&mut self, labels: &[&str], value: f64) {
        let counter = self.family.is_some_and(|family| family.kind == Kind::Counter);
        let point = NumberDataPoint {
            attributes: self.attributes(labels),
            start_time_unix_nano: if counter { self.since } else { 0 },
            time_unix_nano: self.now,
            value: Some(number_data_point::Value::AsDouble(value)),
            ..NumberDataPoint::default()
        };
        let points = match self.metrics.last_mut().and_then(|metric| metric.data.as_mut()) {
            Some(Data::Sum(sum)) => &mut sum.data_points,
            Some(Data::Gauge(gauge)) => &mut gauge.data_points,
            _ => return,
        };
        points.push(point);
        self.count += 1;
    }

    fn histogram(&mut self, labels: &[&str], counted: &Counted) {
        let point = HistogramDataPoint {
            attributes: self.attributes(labels),
            start_time_unix_nano: self.since,
            time_unix_nano: self.now,
            count: counted.total(),
            sum: Some(counted.sum),
            bucket_counts: counted.counts.clone(),
            explicit_bounds: counted.scale.bounds().collect(),
            ..HistogramDataPoint::default()
        };
        if let Some(Metric { data: Some(Data::Histogram(histogram)), .. }) = self.metrics.last_mut()
        {
            histogram.data_points.push(point);
            self.count += 1;
        }
    }
}
