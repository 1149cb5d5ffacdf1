//! Whether a log is as it was written: one pass over a chain, beside what was signed of it.

use std::collections::BTreeMap;

use kernel::Timestamp;

use crate::{Checkpoint, Digest, Finding, Head, Link, PublicKey, SealKey};

/// How far from its place an entry is looked for that was moved.
const REACH: i64 = 100;

/// What is signed of a chain: checkpoints by those who are trusted.
#[derive(Clone, Debug, Default)]
pub struct Witness {
    signed: BTreeMap<i64, Vec<(Digest, Timestamp)>>,
    findings: Vec<Finding>,
}

impl Witness {
    /// Reads the checkpoints of one chain that one node wrote, a line each, and adds what they say.
    pub fn read<'a>(
        &mut self,
        chain: &str,
        lines: impl IntoIterator<Item = &'a str>,
        trusted: &[PublicKey],
    ) {
        let mut previous = Digest::ZERO;
        for (number, line) in (1..).zip(lines) {
            let Ok(checkpoint) = serde_json::from_str::<Checkpoint>(line) else {
                self.findings.push(Finding::UnreadableCheckpoint { number });
                continue;
            };
            let sequence = checkpoint.sequence;
            if checkpoint.chain != chain || !checkpoint.is_signed_by(trusted) {
                self.findings.push(Finding::UnsignedCheckpoint { number, sequence });
            } else {
                let signed = (checkpoint.hash, checkpoint.at);
                self.signed.entry(sequence).or_default().push(signed);
                if checkpoint.previous != previous {
                    self.findings.push(Finding::UnlinkedCheckpoint { number, sequence });
                }
            }
            previous = checkpoint.digest();
        }
    }

    /// How many checkpoints hold.
    pub fn len(&self) -> usize {
        self.signed.values().map(Vec::len).sum()
    }

    /// Whether nothing is signed.
    pub fn is_empty(&self) -> bool {
        self.signed.is_empty()
    }
}

/// A pass over one chain.
#[derive(Debug)]
pub struct Verifier<'a> {
    witness: Witness,
    key: Option<&'a SealKey>,
    last: Option<(i64, Digest)>,
    /// Whether the last entry itself is at fault, so that the next is not blamed for it.
    last_is_broken: bool,
    entries: u64,
}

/// What a pass found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// How many entries there are.
    pub entries: u64,
    /// How many checkpoints hold.
    pub checkpoints: usize,
    /// The last entry that a checkpoint vouches for; 0: none.
    pub witnessed: i64,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

impl<'a> Verifier<'a> {
    /// Begins. Without the installation's key, what was added behind its back at the end of the
    /// chain, in the right form, is not known from its own.
    pub fn new(witness: Witness, key: Option<&'a SealKey>) -> Self {
        Self { witness, key, last: None, last_is_broken: false, entries: 0 }
    }

    /// The next entry, in the order in which they are stored.
    pub fn link(&mut self, link: &Link) {
        self.entries += 1;
        let (sequence, id) = (link.entry.sequence, link.entry.id.clone());
        let (last, last_hash) = self.last.unwrap_or((0, Digest::ZERO));
        if sequence <= last {
            self.add(Finding::Repeated { sequence, id: id.clone() });
        } else if sequence > last.saturating_add(1) {
            let first = last.saturating_add(1);
            self.witness.findings.push(Finding::Missing { first, last: sequence - 1 });
        }
        let follows = last.checked_add(1) == Some(sequence);
        let found = self.witness.findings.len();
        if !link.is_whole() {
            self.add(match place(link) {
                Some(belongs) => Finding::OutOfOrder { sequence, id: id.clone(), belongs },
                None => Finding::Edited { sequence, id: id.clone() },
            });
        } else if self.key.is_some_and(|key| !key.sealed(link)) {
            self.add(Finding::Forged { sequence, id: id.clone() });
        } else if follows && link.previous != last_hash && !self.last_is_broken {
            self.add(Finding::Unlinked { sequence, id: id.clone() });
        }
        let rewritten = self.witness.signed.get(&sequence).and_then(|signed| {
            signed.iter().find(|(hash, _)| *hash != link.hash).map(|(_, at)| *at)
        });
        if let Some(signed_at) = rewritten {
            self.add(Finding::Rewritten { sequence, id, signed_at });
        }
        self.last_is_broken = self.witness.findings.len() > found;
        self.last = Some((sequence.max(last), link.hash));
    }

    /// The end. `head` is what the database says of the chain's end; of a file, nobody says.
    pub fn end(mut self, head: Option<Option<&Head>>) -> Report {
        let (last, hash) = self.last.unwrap_or((0, Digest::ZERO));
        let witnessed = self.witness.signed.keys().next_back().copied().unwrap_or(0);
        let in_head = head.flatten().map(|head| head.sequence);
        let known = witnessed.max(in_head.unwrap_or(0));
        if known > last {
            self.add(Finding::Truncated { last, known });
        }
        let wrong = match head {
            None => false,
            Some(None) => last > 0,
            Some(Some(head)) => {
                head.sequence < last
                    || head.sequence == last && head.hash != hash && !self.last_is_broken
            }
        };
        if wrong {
            self.add(Finding::WrongHead { last, head: in_head });
        }
        Report {
            entries: self.entries,
            checkpoints: self.witness.len(),
            witnessed,
            findings: self.witness.findings,
        }
    }

    fn add(&mut self, finding: Finding) {
        self.witness.findings.push(finding);
    }
}

/// The place near its own that an entry was written for, by its hash.
fn place(link: &Link) -> Option<i64> {
    let here = link.entry.sequence;
    let near = here.saturating_sub(REACH).max(1)..=here.saturating_add(REACH);
    let mut moved = link.clone();
    near.into_iter().find(|sequence| {
        moved.entry.sequence = *sequence;
        moved.is_whole()
    })
}
