//! Checking an input file: every line of it, before the first one is answered.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use files::{FilesError, Line};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use store::{Batch, BatchPlan, StoreError};

use crate::line::{InputLine, text};
use crate::slices::Cutter;
use crate::{Batches, BatchesConfig, Endpoint};

/// After so many mistakes, the rest of the file is not looked at.
const MOST_MISTAKES: usize = 100;

/// One thing that is wrong with an input file, as OpenAI's API tells it.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Mistake {
    code: &'static str,
    message: String,
    param: Option<&'static str>,
    line: Option<u32>,
}

impl Batches {
    /// Checks a batch's input; its lines may be answered then, or it has failed.
    pub(crate) async fn check(&self, batch: &Batch) -> Result<(), FilesError> {
        let (scope, id) = (batch.scope(), &batch.id);
        let found = match self.check_file(batch).await {
            Ok(found) => found,
            Err(error) if is_gone(&error) => {
                tracing::warn!(%id, %error, "the input file of a batch cannot be read");
                Err(vec![Mistake {
                    code: "file_not_found",
                    message: format!("The input file {} cannot be read.", batch.input_file),
                    param: Some("input_file_id"),
                    line: None,
                }])
            }
            Err(error) => return Err(error),
        };
        match found {
            Ok(plan) => self.store.batch_validated(&scope, id, &self.node, &plan).await?,
            Err(mistakes) => {
                let errors = serde_json::to_string(&mistakes).unwrap_or_default();
                self.store.batch_failed(&scope, id, &self.node, &errors).await?
            }
        };
        // Where neither was done, the batch was cancelled meanwhile, and that is its next step.
        Ok(self.store.batch_release(&scope, id, &self.node).await?)
    }

    async fn check_file(
        &self,
        batch: &Batch,
    ) -> Result<Result<BatchPlan, Vec<Mistake>>, FilesError> {
        let reader = self.files.open(&batch.scope(), &batch.input_file).await?;
        let mut check = Check::new(self.config, Endpoint::of_path(&batch.endpoint));
        let size = reader.size();
        if size > self.config.max_input_bytes {
            let most = self.config.max_input_bytes;
            let message = format!("The input file has {size} bytes, and may have up to {most}.");
            check.mistake("file_too_large", message, None, None);
            return Ok(check.finish(size));
        }
        let mut lines = reader.lines(0, self.config.max_line_bytes);
        while !check.is_enough() {
            match lines.next().await {
                Ok(Some(line)) => check.line(&line),
                Ok(None) => break,
                Err(FilesError::LineTooLong { limit, .. }) => {
                    check.next_line_too_long(limit);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(check.finish(size))
    }
}

/// Whether waiting does not bring the file back.
pub(crate) fn is_gone(error: &FilesError) -> bool {
    matches!(
        error,
        FilesError::Store(StoreError::NotFound { .. })
            | FilesError::Missing { .. }
            | FilesError::Damaged { .. }
    )
}

struct Check {
    config: BatchesConfig,
    endpoint: Option<Endpoint>,
    number: u32,
    total: u64,
    model: Option<String>,
    cutter: Cutter,
    /// Fingerprints of the ids that were there already: ids themselves may be long.
    seen: HashSet<(u64, u64)>,
    fingerprint: (RandomState, RandomState),
    mistakes: Vec<Mistake>,
}

impl Check {
    fn new(config: BatchesConfig, endpoint: Option<Endpoint>) -> Self {
        Self {
            config,
            endpoint,
            number: 0,
            total: 0,
            model: None,
            cutter: Cutter::default(),
            seen: HashSet::new(),
            fingerprint: (RandomState::new(), RandomState::new()),
            mistakes: Vec::new(),
        }
    }

    fn is_enough(&self) -> bool {
        self.mistakes.len() >= MOST_MISTAKES || self.total > u64::from(self.config.max_lines)
    }

    fn mistake(
        &mut self,
        code: &'static str,
        message: impl Into<String>,
        param: Option<&'static str>,
        line: Option<u32>,
    ) {
        self.mistakes.push(Mistake { code, message: message.into(), param, line });
    }

    fn line(&mut self, line: &Line) {
        self.number = self.number.saturating_add(1);
        self.cutter.line(self.number, line.offset);
        if line.text.trim_ascii().is_empty() {
            return;
        }
        self.total += 1;
        let Some(input) = InputLine::read(&line.text) else {
            let message = "This line is not parseable as valid JSON.";
            return self.mistake("invalid_json_line", message, None, Some(self.number));
        };
        self.custom_id(&input);
        self.way(&input);
        self.body(input.body);
    }

    fn custom_id(&mut self, input: &InputLine<'_>) {
        let Some(id) = self.string("custom_id", input.custom_id) else { return };
        let fingerprint = (self.fingerprint.0.hash_one(&id), self.fingerprint.1.hash_one(&id));
        if !self.seen.insert(fingerprint) {
            let id: String = id.chars().take(100).collect();
            let message = format!(
                "The custom_id '{id}' is used by an earlier line; every line needs one of its own."
            );
            self.mistake("duplicate_custom_id", message, Some("custom_id"), Some(self.number));
        }
    }

    fn way(&mut self, input: &InputLine<'_>) {
        if let Some(method) = self.string("method", input.method)
            && method != "POST"
        {
            let message = "The method of every line must be 'POST'.";
            self.mistake("invalid_method", message, Some("method"), Some(self.number));
        }
        let Some(url) = self.string("url", input.url) else { return };
        if self.endpoint.is_none_or(|endpoint| endpoint.path() != url) {
            let url: String = url.chars().take(100).collect();
            let path = self.endpoint.map(Endpoint::path).unwrap_or_default();
            let message = format!("The url '{url}' is not the endpoint of the batch, '{path}'.");
            self.mistake("url_mismatch", message, Some("url"), Some(self.number));
        }
    }

    fn body(&mut self, body: Option<&RawValue>) {
        #[derive(Deserialize)]
        struct Body {
            #[serde(default)]
            model: Value,
        }
        let Some(body) = body else { return self.missing("body") };
        let Some(read) = wire_object::<Body>(body) else {
            let message = "Invalid type for 'body': expected an object.";
            return self.mistake("invalid_type", message, Some("body"), Some(self.number));
        };
        match read.model {
            Value::String(model) => {
                self.model.get_or_insert(model);
            }
            Value::Null if self.endpoint.is_some_and(|endpoint| !endpoint.needs_model()) => {}
            _ => self.missing("body.model"),
        }
    }

    /// A field that must be a text.
    fn string(&mut self, name: &'static str, raw: Option<&RawValue>) -> Option<String> {
        let Some(raw) = raw else {
            self.missing(name);
            return None;
        };
        let read = text(Some(raw));
        if read.is_none() {
            let message = format!("Invalid type for '{name}': expected a string.");
            self.mistake("invalid_type", message, Some(name), Some(self.number));
        }
        read
    }

    fn missing(&mut self, name: &'static str) {
        let message = format!("Missing required parameter: '{name}'.");
        self.mistake("missing_required_parameter", message, Some(name), Some(self.number));
    }

    fn next_line_too_long(&mut self, limit: usize) {
        let message = format!("This line is longer than {limit} bytes.");
        let number = self.number.saturating_add(1);
        self.mistake("line_too_long", message, None, Some(number));
    }

    fn finish(mut self, size: u64) -> Result<BatchPlan, Vec<Mistake>> {
        let most = self.config.max_lines;
        if self.total > u64::from(most) {
            let message = format!("The input file has more than {most} requests.");
            self.mistake("too_many_tasks", message, None, None);
        } else if self.total == 0 && self.mistakes.is_empty() {
            let message = "The input file has no requests.";
            self.mistake("empty_file", message, None, None);
        }
        self.mistakes.truncate(MOST_MISTAKES + 1);
        if self.mistakes.is_empty() {
            let slices = self.cutter.finish(size);
            Ok(BatchPlan { total: self.total, model: self.model, slices })
        } else {
            Err(self.mistakes)
        }
    }
}

/// A JSON object, but no array, which serde would take for a struct too.
fn wire_object<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    raw.get().starts_with('{').then(|| serde_json::from_str(raw.get()).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use kernel::Operation;

    fn check(path: &str, text: &str, max_lines: u32) -> Result<BatchPlan, Vec<Mistake>> {
        let config = BatchesConfig { max_lines, ..BatchesConfig::default() };
        let mut check = Check::new(config, Endpoint::of_path(path));
        let mut offset = 0;
        for line in text.split_inclusive('\n') {
            if check.is_enough() {
                break;
            }
            let stripped = line.strip_suffix('\n').unwrap_or(line).to_owned();
            check.line(&Line { offset, text: Bytes::from(stripped) });
            offset += line.len() as u64;
        }
        check.finish(offset)
    }

    fn line(id: &str, path: &str) -> String {
        format!(
            "{{\"custom_id\":\"{id}\",\"method\":\"POST\",\"url\":\"{path}\",\
             \"body\":{{\"model\":\"m-{id}\",\"messages\":[]}}}}\n"
        )
    }

    fn codes(found: Result<BatchPlan, Vec<Mistake>>) -> Vec<(&'static str, Option<u32>)> {
        found.unwrap_err().iter().map(|mistake| (mistake.code, mistake.line)).collect()
    }

    #[test]
    fn a_right_file_becomes_a_plan() {
        for operation in Operation::ALL {
            let path = format!("/v1{}", operation.path());
            let text = format!("{}\n  \n{}", line("a", &path), line("b", &path));
            let plan = check(&path, &text, 10).unwrap();
            assert_eq!((plan.total, plan.model.as_deref()), (2, Some("m-a")));
            assert_eq!(plan.slices.len(), 1);
            assert_eq!(plan.slices[0].line_count, 4, "blank lines are lines of the file");
            assert_eq!(plan.slices[0].byte_length, text.len() as u64);
        }
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        const CHAT: &str = "/v1/chat/completions";
        let good = line("a", CHAT);
        for (wrong, expected) in [
            ("nonsense\n".to_owned(), vec![("invalid_json_line", Some(2))]),
            ("[1]\n".to_owned(), vec![("invalid_json_line", Some(2))]),
            (line("a", CHAT), vec![("duplicate_custom_id", Some(2))]),
            (line("b", CHAT).replace("POST", "GET"), vec![("invalid_method", Some(2))]),
            (line("b", "/v1/embeddings"), vec![("url_mismatch", Some(2))]),
            (line("b", CHAT).replace("\"b\"", "7"), vec![("invalid_type", Some(2))]),
            (line("b", CHAT).replace("model", "x"), vec![("missing_required_parameter", Some(2))]),
            (
                r#"{"custom_id":"b","method":"POST","url":"/v1/chat/completions","body":[]}"#
                    .into(),
                vec![("invalid_type", Some(2))],
            ),
            ("{}\n".to_owned(), vec![("missing_required_parameter", Some(2)); 4]),
        ] {
            assert_eq!(codes(check(CHAT, &format!("{good}{wrong}"), 10)), expected, "{wrong}");
        }
    }

    #[test]
    fn moderations_need_no_model() {
        let text = line("a", "/v1/moderations").replace("\"model\":\"m-a\",", "");
        assert_eq!(check("/v1/moderations", &text, 10).unwrap().model, None);
    }

    #[test]
    fn a_file_has_neither_no_line_nor_too_many() {
        const CHAT: &str = "/v1/chat/completions";
        assert_eq!(codes(check(CHAT, "\n\n", 10)), [("empty_file", None)]);
        let lines: String = (0..11).map(|n| line(&n.to_string(), CHAT)).collect();
        assert_eq!(codes(check(CHAT, &lines, 10)), [("too_many_tasks", None)]);
        assert!(check(CHAT, &lines, 11).is_ok());
        let junk = "junk\n".repeat(1_000);
        assert_eq!(codes(check(CHAT, &junk, 10_000)).len(), MOST_MISTAKES, "then it is enough");
    }
}
