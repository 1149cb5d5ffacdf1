//! One record as one line: eight hexadecimal digits of CRC-32, a space, JSON, a newline. A torn
//! or damaged line is recognised by its checksum and skipped to the next newline, so one broken
//! record never stops the rest; and an operator can read the file.

use std::io::{self, Write as _};

use kernel::CallRecord;

const CHECKSUM: usize = 8;

/// Appends the line of `record` to `out`.
pub(super) fn write(record: &CallRecord, out: &mut Vec<u8>) -> io::Result<()> {
    let start = out.len();
    out.extend_from_slice(b"00000000 ");
    serde_json::to_writer(&mut *out, record)?;
    let json = out.get(start + CHECKSUM + 1..).unwrap_or_default();
    let checksum = crc32fast::hash(json);
    if let Some(mut head) = out.get_mut(start..start + CHECKSUM) {
        write!(head, "{checksum:08x}")?;
    }
    out.push(b'\n');
    Ok(())
}

/// Reads a line without its newline; `None` if it is torn or damaged.
pub(super) fn read(line: &[u8]) -> Option<CallRecord> {
    let (head, json) = line.split_at_checked(CHECKSUM + 1)?;
    let checksum = u32::from_str_radix(std::str::from_utf8(head).ok()?.trim_end(), 16).ok()?;
    if crc32fast::hash(json) != checksum {
        return None;
    }
    serde_json::from_slice(json).ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use kernel::{Operation, Outcome, Timestamp, Usage};
    use proptest::prelude::*;

    pub(in crate::journal) fn record(id: &str) -> CallRecord {
        CallRecord {
            id: id.into(),
            started_at: Timestamp::from_secs(1_000),
            duration_us: 1,
            first_byte_us: Some(1),
            organization: "org-1".into(),
            project: "proj_1".into(),
            api_key: "key_1".into(),
            service_account: None,
            response: None,
            batch: None,
            end_user: Some("line\nbreak".into()),
            operation: Operation::ChatCompletions,
            model: "m".into(),
            provider: "p".into(),
            upstream_model: "u".into(),
            stream: false,
            status: 200,
            outcome: Outcome::Completed,
            attempts: 1,
            service_tier: kernel::ServiceTier::Default,
            usage: Usage { input: 3, output: 4, ..Usage::default() },
            cost: None,
        }
    }

    #[test]
    fn a_line_reads_back() {
        let mut out = Vec::new();
        write(&record("req_1"), &mut out).unwrap();
        assert_eq!(out.iter().filter(|b| **b == b'\n').count(), 1);
        assert_eq!(read(&out[..out.len() - 1]), Some(record("req_1")));
    }

    proptest! {
        #[test]
        fn a_changed_byte_is_noticed(at in 0usize..300, bit in 0u8..8) {
            let mut out = Vec::new();
            write(&record("req_1"), &mut out).unwrap();
            out.pop();
            let at = at % out.len();
            out[at] ^= 1 << bit;
            prop_assert!(read(&out).is_none_or(|r| r == record("req_1")));
        }
    }
}
