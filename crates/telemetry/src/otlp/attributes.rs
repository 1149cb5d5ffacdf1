//! Names and values as OpenTelemetry's messages have them.

use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;

/// Who sends: the service, and which of its nodes.
#[derive(Debug)]
pub(crate) struct Origin {
    resource: Resource,
}

impl Origin {
    pub(crate) fn new(service: &str, instance: &str) -> Self {
        let attributes = vec![
            text("service.name", service),
            text("service.version", env!("CARGO_PKG_VERSION")),
            text("service.instance.id", instance),
            text("telemetry.sdk.name", "kijun"),
            text("telemetry.sdk.language", "rust"),
            text("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
        ];
        Self { resource: Resource { attributes, ..Resource::default() } }
    }

    /// What stands for it in a message.
    pub(crate) fn resource(&self) -> Option<Resource> {
        Some(self.resource.clone())
    }
}

/// What made the items of a message.
pub(crate) fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope {
        name: "kijun".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    })
}

/// An attribute that is text.
pub(crate) fn text(key: &str, value: impl Into<String>) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value.into()))
}

/// An attribute that is a whole number. One that is too large is as large as can be.
pub(crate) fn number(key: &str, value: u64) -> KeyValue {
    attribute(key, any_value::Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)))
}

/// An attribute that is a number.
pub(crate) fn decimal(key: &str, value: f64) -> KeyValue {
    attribute(key, any_value::Value::DoubleValue(value))
}

/// An attribute that is true or false.
pub(crate) fn flag(key: &str, value: bool) -> KeyValue {
    attribute(key, any_value::Value::BoolValue(value))
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    let value = Some(AnyValue { value: Some(value) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}
