//! The request targets of the operations, put together once.

use http::Uri;
use kernel::Operation;
use kernel::catalog::ProviderSpec;

use crate::config::{self, ConfigError};
use crate::transport::BaseUrl;

/// Where each operation is, below one base URL.
#[derive(Debug)]
pub(crate) struct Targets([Uri; Operation::ALL.len()]);

impl Targets {
    /// OpenAI's paths below the base, with `query` (empty, or with its `?`) behind each.
    pub(crate) fn new(
        spec: &ProviderSpec,
        base: &BaseUrl,
        query: &str,
    ) -> Result<Self, ConfigError> {
        let mut targets = Operation::ALL.map(|_| Uri::default());
        for (target, operation) in targets.iter_mut().zip(Operation::ALL) {
            *target = config::target(spec, base, &format!("{}{query}", operation.path()))?;
        }
        Ok(Self(targets))
    }

    /// Where this operation is.
    pub(crate) const fn of(&self, operation: Operation) -> &Uri {
        let [chat, completions, embeddings, moderations, responses] = &self.0;
        match operation {
            Operation::ChatCompletions => chat,
            Operation::Completions => completions,
            Operation::Embeddings => embeddings,
            Operation::Moderations => moderations,
            Operation::Responses => responses,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::spec;

    #[test]
    fn every_operation_has_its_own_path() {
        let base = BaseUrl::parse("http://h/v1").unwrap();
        let targets = Targets::new(&spec("openai"), &base, "?v=1").unwrap();
        for operation in Operation::ALL {
            assert_eq!(targets.of(operation).to_string(), format!("/v1{}?v=1", operation.path()));
        }
    }
}
