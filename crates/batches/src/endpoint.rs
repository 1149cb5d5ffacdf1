//! Where the lines of a batch may go.

use kernel::Operation;

/// Where the lines of a batch go: one of the operations that a model can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint(Operation);

impl Endpoint {
    /// The endpoint of a path such as `/v1/chat/completions`.
    pub fn of_path(path: &str) -> Option<Self> {
        let below = path.strip_prefix("/v1")?;
        Operation::ALL.into_iter().find(|operation| operation.path() == below).map(Self)
    }

    /// Its path.
    pub fn path(self) -> String {
        format!("/v1{}", self.0.path())
    }

    /// Every path that [`Endpoint::of_path`] knows, quoted for a message.
    pub fn known() -> String {
        let quoted: Vec<_> =
            Operation::ALL.iter().map(|operation| format!("'/v1{}'", operation.path())).collect();
        match quoted.split_last() {
            Some((last, others)) => format!("{}, and {last}", others.join(", ")),
            None => String::new(),
        }
    }

    /// What is asked of the model.
    pub const fn operation(self) -> Operation {
        self.0
    }

    /// Whether a line must say which model it is for.
    pub(crate) fn needs_model(self) -> bool {
        self.0 != Operation::Moderations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_is_found_by_its_path() {
        for operation in Operation::ALL {
            let endpoint = Endpoint::of_path(&Endpoint(operation).path());
            assert_eq!(endpoint.map(Endpoint::operation), Some(operation));
        }
        for unknown in ["", "/chat/completions", "/v1", "/v1/images/generations", "/v2/responses"] {
            assert_eq!(Endpoint::of_path(unknown), None, "{unknown}");
        }
        assert!(Endpoint::known().contains("'/v1/embeddings', "));
    }
}
