//! A log that was altered in any way is found out, and one that was not is sound.

use kernel::Timestamp;
use proptest::prelude::*;

use crate::{By, Checkpoint, Digest, Entry, Finding, Head, Link, Report, SealKey, SigningKey};
use crate::{Verifier, Witness};

const CHAIN: &str = "org-1";
const SEED: [u8; 32] = [9; 32];

fn key() -> SealKey {
    SealKey::new(&[7; 32])
}

fn signer() -> SigningKey {
    SigningKey::from_seed(&SEED).unwrap()
}

fn entry(sequence: i64) -> Entry {
    Entry {
        chain: CHAIN.into(),
        sequence,
        id: format!("audit_log-{sequence}"),
        at: Timestamp::from_micros(1_800_000_000_000_000 + sequence),
        event: "project.created".into(),
        actor: By {
            kind: "admin_key".into(),
            id: "key_admin_1".into(),
            organization: Some(CHAIN.into()),
            address: Some("192.0.2.1".into()),
            user_agent: Some("client/1".into()),
            request: Some(format!("req_{sequence}")),
        },
        project: Some("proj_1".into()),
        resources: r#"[["project","proj_1"]]"#.into(),
        details: r#"{"after":{"name":"Team"}}"#.into(),
    }
}

/// A chain of so many entries, sealed with this key from this entry on.
fn chain_with(count: i64, key: &SealKey, change: impl Fn(&mut Entry)) -> Vec<Link> {
    let mut links: Vec<Link> = Vec::new();
    for sequence in 1..=count {
        let mut entry = entry(sequence);
        change(&mut entry);
        let previous = links.last().map_or(Digest::ZERO, |link| link.hash);
        links.push(Link::new(entry, previous, key));
    }
    links
}

fn chain(count: i64) -> Vec<Link> {
    chain_with(count, &key(), |_| {})
}

fn head(links: &[Link]) -> Head {
    let (sequence, hash) =
        links.last().map_or((0, Digest::ZERO), |link| (link.entry.sequence, link.hash));
    Head { chain: CHAIN.into(), sequence, hash }
}

/// Checkpoints at the ends of these parts of a chain.
fn checkpoints(links: &[Link], ends: &[usize]) -> Vec<Checkpoint> {
    let mut signed: Vec<Checkpoint> = Vec::new();
    for end in ends {
        let previous = signed.last().map_or(Digest::ZERO, Checkpoint::digest);
        signed.push(signer().sign(&head(&links[..*end]), Timestamp::from_secs(5), previous));
    }
    signed
}

fn witness(checkpoints: &[Checkpoint]) -> Witness {
    let lines: Vec<_> = checkpoints.iter().map(|one| serde_json::to_string(one).unwrap()).collect();
    let mut witness = Witness::default();
    witness.read(CHAIN, lines.iter().map(String::as_str), &[signer().public()]);
    witness
}

fn verify(links: &[Link], head: &Head, checkpoints: &[Checkpoint]) -> Report {
    let key = key();
    let mut verifier = Verifier::new(witness(checkpoints), Some(&key));
    links.iter().for_each(|link| verifier.link(link));
    verifier.end(Some(Some(head)))
}

/// What is found in a log of ten entries, witnessed at five and ten, after it was altered.
fn found(alter: impl FnOnce(&mut Vec<Link>, &mut Head)) -> Vec<Finding> {
    let mut links = chain(10);
    let signed = checkpoints(&links, &[5, 10]);
    let mut head = head(&links);
    alter(&mut links, &mut head);
    verify(&links, &head, &signed).findings
}

#[test]
fn a_log_that_nobody_altered_is_sound() {
    let links = chain(10);
    let report = verify(&links, &head(&links), &checkpoints(&links, &[0, 5, 5, 10]));
    assert_eq!(report, Report { entries: 10, checkpoints: 4, witnessed: 10, findings: vec![] });
    assert_eq!(verify(&[], &head(&[]), &[]).findings, []);
}

#[test]
fn an_edited_field_is_found() {
    let findings = found(|links, _| links[3].entry.actor.id = "key_admin_2".into());
    assert_eq!(findings, [Finding::Edited { sequence: 4, id: "audit_log-4".into() }]);
}

#[test]
fn a_deleted_row_is_found() {
    let findings = found(|links, _| drop(links.drain(2..4)));
    assert_eq!(findings, [Finding::Missing { first: 3, last: 4 }]);
    let findings = found(|links, _| drop(links.remove(0)));
    assert_eq!(findings, [Finding::Missing { first: 1, last: 1 }]);
}

#[test]
fn rows_that_changed_places_are_found() {
    let findings = found(|links, _| {
        links.swap(2, 3);
        links[2].entry.sequence = 3;
        links[3].entry.sequence = 4;
    });
    let moved = |sequence, belongs| Finding::OutOfOrder {
        sequence,
        id: format!("audit_log-{belongs}"),
        belongs,
    };
    assert_eq!(findings, [moved(3, 4), moved(4, 3)]);
    let findings = found(|links, _| links.swap(2, 3));
    assert!(findings.contains(&Finding::Repeated { sequence: 3, id: "audit_log-3".into() }));
}

#[test]
fn an_inserted_row_is_found() {
    // In the right form, but sealed with a key that is not the installation's.
    let findings = found(|links, head| {
        let forged = Link::new(entry(11), links[9].hash, &SealKey::new(&[8; 32]));
        (head.sequence, head.hash) = (11, forged.hash);
        links.push(forged);
    });
    assert_eq!(findings, [Finding::Forged { sequence: 11, id: "audit_log-11".into() }]);
    // Between two others, whose places are moved to make room.
    let findings = found(|links, head| {
        links.iter_mut().skip(6).for_each(|link| link.entry.sequence += 1);
        let forged = Link::new(entry(7), links[5].hash, &SealKey::new(&[8; 32]));
        links.insert(6, forged);
        head.sequence = 11;
    });
    assert_eq!(findings[0], Finding::Forged { sequence: 7, id: "audit_log-7".into() });
    assert!(findings.len() > 1);
}

#[test]
fn a_cut_tail_is_found() {
    let findings = found(|links, _| links.truncate(7));
    assert_eq!(findings, [Finding::Truncated { last: 7, known: 10 }]);
    // With its head put back, the checkpoints tell.
    let findings = found(|links, head| {
        links.truncate(7);
        *head = self::head(links);
    });
    assert_eq!(findings, [Finding::Truncated { last: 7, known: 10 }]);
    let findings = found(|links, head| {
        links.clear();
        *head = self::head(links);
    });
    assert_eq!(findings, [Finding::Truncated { last: 0, known: 10 }]);
}

#[test]
fn a_log_that_was_written_anew_is_found() {
    // By somebody who has even the installation's key, but not what was signed.
    let findings = found(|links, head| {
        *links = chain_with(10, &key(), |entry| entry.actor.address = None);
        *head = self::head(links);
    });
    let rewritten = |sequence| Finding::Rewritten {
        sequence,
        id: format!("audit_log-{sequence}"),
        signed_at: Timestamp::from_secs(5),
    };
    assert_eq!(findings, [rewritten(5), rewritten(10)]);
}

#[test]
fn a_file_alone_shows_what_does_not_fit_together() {
    let mut links = chain(10);
    links[4] = Link::new(entry(5), Digest::ZERO, &SealKey::new(&[8; 32]));
    let mut verifier = Verifier::new(Witness::default(), None);
    links.iter().for_each(|link| verifier.link(link));
    let findings = verifier.end(None).findings;
    assert_eq!(findings, [Finding::Unlinked { sequence: 5, id: "audit_log-5".into() }]);
}

#[test]
fn what_nobody_signed_is_no_witness() {
    let links = chain(10);
    let mut signed = checkpoints(&links, &[2, 5, 10]);
    signed[1].sequence = 40;
    let findings = verify(&links, &head(&links), &signed).findings;
    let unsigned = Finding::UnsignedCheckpoint { number: 2, sequence: 40 };
    assert_eq!(findings, [unsigned, Finding::UnlinkedCheckpoint { number: 3, sequence: 10 }]);
    let mut signed = checkpoints(&links, &[2, 5, 10]);
    signed.remove(1);
    let findings = verify(&links, &head(&links), &signed).findings;
    assert_eq!(findings, [Finding::UnlinkedCheckpoint { number: 2, sequence: 10 }]);
    let mut witness = Witness::default();
    witness.read(CHAIN, ["{"], &[signer().public()]);
    let report = Verifier::new(witness, None).end(None);
    assert_eq!(report.findings, [Finding::UnreadableCheckpoint { number: 1 }]);
}

/// Changes one thing of a link: a bit of a text, a number or a hash, or whether something is there.
fn alter(link: &mut Link, what: usize, at: usize) {
    let text = |text: &mut String| {
        let mut bytes = std::mem::take(text).into_bytes();
        let at = at % bytes.len();
        bytes[at] ^= 1;
        *text = String::from_utf8(bytes).unwrap();
    };
    let maybe = |field: &mut Option<String>| match field {
        Some(inner) if at.is_multiple_of(2) => text(inner),
        _ => *field = None,
    };
    let Link { entry, previous, hash, seal } = link;
    match what {
        0 => text(&mut entry.chain),
        1 => entry.sequence ^= 1 << (at % 62),
        2 => text(&mut entry.id),
        3 => entry.at = Timestamp::from_micros(entry.at.as_micros() ^ (1 << (at % 63))),
        4 => text(&mut entry.event),
        5 => text(&mut entry.actor.kind),
        6 => text(&mut entry.actor.id),
        7 => maybe(&mut entry.actor.organization),
        8 => maybe(&mut entry.actor.address),
        9 => maybe(&mut entry.actor.user_agent),
        10 => maybe(&mut entry.actor.request),
        11 => maybe(&mut entry.project),
        12 => text(&mut entry.resources),
        13 => text(&mut entry.details),
        14 => previous.0[at % 32] ^= 1,
        15 => hash.0[at % 32] ^= 1,
        _ => seal.0[at % 32] ^= 1,
    }
}

proptest! {
    #[test]
    fn any_change_of_any_field_is_found(row in 0..10usize, what in 0..17usize, at in 0..64usize) {
        let findings = found(|links, _| alter(&mut links[row], what, at));
        prop_assert!(!findings.is_empty());
    }

    #[test]
    fn any_row_taken_away_doubled_or_moved_is_found(row in 0..10usize, to in 0..10usize) {
        prop_assert!(!found(|links, _| drop(links.remove(row))).is_empty());
        prop_assert!(!found(|links, _| links.insert(row, links[row].clone())).is_empty());
        prop_assume!(row != to);
        prop_assert!(!found(|links, _| links.swap(row, to)).is_empty());
    }

    #[test]
    fn any_cut_is_found(kept in 0..10usize) {
        let findings = found(|links, head| {
            links.truncate(kept);
            *head = self::head(links);
        });
        prop_assert!(!findings.is_empty());
    }
}
