//! How OpenAI-compatible servers differ from OpenAI: the rows of `quirks.toml`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::Bytes;
use kernel::Operation;
use kernel::catalog::ProviderSpec;
use memchr::memmem;
use serde::Deserialize;

use crate::config::{ConfigError, nearest};
use crate::json::Fields;

/// One server's differences. The default is a server that has none that we know of.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Quirks {
    /// Where the service is.
    pub(crate) base_url: Option<String>,
    /// What it can do.
    pub(crate) operations: Vec<Operation>,
    /// Whether it lists its models.
    pub(crate) lists_models: bool,
    /// Whether it may be asked for the usage of a stream.
    pub(crate) takes_usage_option: bool,
    /// Whether its answers need the second name of reasoning.
    pub(crate) both_reasoning: bool,
    /// Whether an answer is sure to fit a strict JSON schema.
    pub(crate) enforces_schemas: bool,
    /// Whether it gives embeddings as base64.
    pub(crate) base64_embeddings: bool,
    /// Request fields that have another name there.
    rename: BTreeMap<String, String>,
    /// Request fields that it refuses.
    drop: Vec<String>,
    /// Where all this was learned: for the reader of the file.
    source: String,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            base_url: None,
            // A server says that it speaks Responses; few do well.
            operations: Operation::ALL
                .into_iter()
                .filter(|operation| *operation != Operation::Responses)
                .collect(),
            lists_models: true,
            takes_usage_option: true,
            both_reasoning: true,
            enforces_schemas: false,
            base64_embeddings: true,
            rename: BTreeMap::new(),
            drop: Vec::new(),
            source: String::new(),
        }
    }
}

type Table = BTreeMap<String, Quirks>;

/// The table. A test keeps it readable, so the empty one is never used.
static TABLE: LazyLock<Table> =
    LazyLock::new(|| toml::from_str(include_str!("quirks.toml")).unwrap_or_default());

/// The quirks of a server that nothing is known of.
static NONE: LazyLock<Quirks> = LazyLock::new(Quirks::default);

impl Quirks {
    /// The quirks under this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        TABLE.get(name)
    }

    /// Those of a server that nothing is known of.
    pub(crate) fn none() -> &'static Self {
        &NONE
    }

    /// The quirks that a provider's configuration names, else those of the service at its base
    /// URL, else none; without a base URL it is OpenAI.
    pub(crate) fn of(spec: &ProviderSpec) -> Result<&'static Self, ConfigError> {
        if let Some(name) = spec.quirks.as_deref() {
            return Self::named(name).ok_or_else(|| ConfigError::UnknownQuirks {
                provider: spec.name.clone(),
                quirks: name.to_owned(),
                nearest: nearest(name, TABLE.keys().map(String::as_str)),
                known: TABLE.keys().cloned().collect::<Vec<_>>().join(", "),
            });
        }
        let Some(url) = spec.base_url.as_deref() else {
            return Ok(Self::named("openai").unwrap_or(&NONE));
        };
        let url = url.trim().trim_end_matches('/');
        let known = TABLE.values().find(|quirks| quirks.base_url.as_deref() == Some(url));
        Ok(known.unwrap_or(&NONE))
    }

    /// The request as this server wants it. Only a request with a field in question is taken apart.
    pub(crate) fn apply(&self, request: Bytes) -> Bytes {
        let occurs = |name: &String| memmem::find(&request, name.as_bytes()).is_some();
        if !self.rename.keys().chain(&self.drop).any(occurs) {
            return request;
        }
        let Some(mut fields) = Fields::parse(&request) else { return request };
        let mut changed = false;
        for (old, new) in &self.rename {
            changed |= fields.rename(old, new);
        }
        for name in &self.drop {
            changed |= fields.remove(name);
        }
        if changed { Bytes::from(fields.write()) } else { request }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::spec;

    #[test]
    fn the_table_is_readable_and_every_row_has_its_source() {
        let table: Table = toml::from_str(include_str!("quirks.toml")).unwrap();
        assert!(table.len() >= 12);
        for (name, quirks) in table {
            assert!(quirks.source.starts_with("https://"), "{name}");
            assert!(quirks.operations.contains(&Operation::ChatCompletions), "{name}");
        }
    }

    #[test]
    fn quirks_follow_the_name_or_the_address() {
        let mut spec = spec("openai");
        assert!(!Quirks::of(&spec).unwrap().both_reasoning, "OpenAI");
        spec.base_url = Some("https://api.mistral.ai/v1/".to_owned());
        assert!(!Quirks::of(&spec).unwrap().takes_usage_option);
        spec.base_url = Some("http://127.0.0.1:8000/v1".to_owned());
        assert!(Quirks::of(&spec).unwrap().takes_usage_option);
        spec.quirks = Some("mistral".to_owned());
        assert!(!Quirks::of(&spec).unwrap().takes_usage_option);
        spec.quirks = Some("vlm".to_owned());
        let error = Quirks::of(&spec).unwrap_err().to_string();
        assert!(error.contains("did you mean `vllm`?") && error.contains("llama_cpp"), "{error}");
    }

    #[test]
    fn only_the_fields_in_question_change() {
        let mistral = Quirks::named("mistral").unwrap();
        let request = r#"{"max_completion_tokens":9,"seed":1,"user":"u","messages":[{"user":1}]}"#;
        assert_eq!(
            mistral.apply(Bytes::from(request)),
            r#"{"max_tokens":9,"random_seed":1,"messages":[{"user":1}]}"#
        );
        let untouched = Bytes::from_static(br#"{ "messages": [{"content":"my seed"}] }"#);
        assert_eq!(mistral.apply(untouched.clone()), untouched);
    }
}
