//! Files are read as they were written, by their project alone, until their time is over.

use std::time::Duration;

use files::{FilesError, NewFile, Owner};
use futures_util::TryStreamExt as _;
use kernel::Retention;
use store::{FilePurpose, ItemPage, StoreError};

use crate::bench::{Bench, MAX_FILE, new_file, noise};

const MIB: usize = 1024 * 1024;

fn is_not_found<T: std::fmt::Debug>(result: &Result<T, FilesError>) -> bool {
    matches!(result, Err(FilesError::Store(StoreError::NotFound { what: "file", .. })))
}

fn all() -> ItemPage {
    ItemPage { after: None, limit: 10_000, descending: true }
}

#[tokio::test]
async fn a_file_is_read_as_it_was_written() {
    let bench = Bench::start().await;
    for length in [0, 1, 64 * 1024, MIB, 3 * MIB + 17] {
        let data = noise(length);
        let file = bench.write(&data).await;
        assert_eq!(file.bytes, length as u64);
        let reader = bench.files.open(&bench.owner.scope(), &file.id).await.unwrap();
        assert_eq!(reader.file(), &file);
        assert!(reader.read_range(0, u64::MAX).await.unwrap() == data, "{length}");
        let streamed: Vec<_> = reader.stream(0..u64::MAX).try_collect().await.unwrap();
        assert!(streamed.concat() == data, "{length}");
        assert!(streamed.iter().all(|piece| piece.len() <= MIB));
        assert_eq!(reader.read_range(length as u64, 1).await.unwrap().len(), 0);
    }
}

#[tokio::test]
async fn any_range_can_be_read() {
    let bench = Bench::start().await;
    let data = noise(2 * MIB + 5);
    let file = bench.write(&data).await;
    let reader = bench.files.open(&bench.owner.scope(), &file.id).await.unwrap();
    for (start, end) in [(0, 1), (MIB - 1, MIB + 1), (65_535, 65_537), (7, 2 * MIB + 5)] {
        let read = reader.read_range(start as u64, (end - start) as u64).await.unwrap();
        assert!(read == data[start..end], "{start}..{end}");
        let streamed: Vec<_> = reader.stream(start as u64..end as u64).try_collect().await.unwrap();
        assert!(streamed.concat() == data[start..end], "{start}..{end}");
    }
}

#[tokio::test]
async fn lines_are_read_one_by_one_from_any_of_them() {
    let bench = Bench::start().await;
    let long = "x".repeat(MIB);
    let file = bench.write(format!("one\r\n\n{long}\nlast").as_bytes()).await;
    let reader = bench.files.open(&bench.owner.scope(), &file.id).await.unwrap();
    let mut lines = reader.lines(0, MIB);
    let mut found = Vec::new();
    while let Some(line) = lines.next().await.unwrap() {
        found.push((line.offset, line.text.len()));
    }
    let last = 6 + MIB as u64 + 1;
    assert_eq!(found, [(0, 3), (5, 0), (6, MIB), (last, 4)]);
    assert_eq!(reader.lines(last, 4).next().await.unwrap().unwrap().text, "last");
    let mut short = reader.lines(6, MIB - 1);
    let error = short.next().await.unwrap_err();
    assert!(matches!(error, FilesError::LineTooLong { offset: 6, .. }), "{error}");

    let ended = bench.write(b"one\n").await;
    let reader = bench.files.open(&bench.owner.scope(), &ended.id).await.unwrap();
    let mut lines = reader.lines(0, 10);
    assert!(lines.next().await.unwrap().is_some());
    assert!(lines.next().await.unwrap().is_none(), "a newline ends a line and begins none");
}

#[tokio::test]
async fn a_file_is_its_projects_alone() {
    let bench = Bench::start().await;
    let file = bench.write(b"hello").await;
    let (own, other) = (bench.owner.scope(), bench.stranger.scope());
    assert!(is_not_found(&bench.files.get(&other, &file.id).await));
    assert!(is_not_found(&bench.files.open(&other, &file.id).await));
    assert!(is_not_found(&bench.files.delete(&other, &file.id).await));
    assert_eq!(bench.files.list(&other, None, &all()).await.unwrap().data, []);
    assert_eq!(bench.files.list(&own, None, &all()).await.unwrap().data, [file]);
}

#[tokio::test]
async fn a_deleted_file_takes_its_bytes_along() {
    let bench = Bench::start().await;
    let file = bench.write(b"hello").await;
    assert_eq!(bench.blobs().len(), 1);
    let scope = bench.owner.scope();
    bench.files.delete(&scope, &file.id).await.unwrap();
    assert_eq!(bench.blobs(), Vec::<std::path::PathBuf>::new());
    assert!(is_not_found(&bench.files.get(&scope, &file.id).await));
    assert!(is_not_found(&bench.files.delete(&scope, &file.id).await));
}

#[tokio::test]
async fn what_was_not_finished_leaves_nothing() {
    let bench = Bench::start().await;
    let mut incoming = bench.files.writer(&bench.owner).await.unwrap();
    incoming.write(&noise(3 * MIB)).await.unwrap();
    assert_eq!(bench.drafts(), 1);
    let refused = incoming.finish(NewFile { filename: String::new(), ..new_file("") }).await;
    assert!(matches!(refused, Err(FilesError::Invalid { param: "filename", .. })));
    // Another thread removes the draft; the folder is read until it has.
    while bench.drafts() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.blobs(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn a_file_lives_as_long_as_it_was_given() {
    let bench = Bench::start().await;
    let scope = bench.owner.scope();
    let hour = Duration::from_secs(3_600);
    let incoming = bench.files.writer(&bench.owner).await.unwrap();
    let short = NewFile { expires_after: Some(hour), ..new_file("short") };
    let short = incoming.finish(short).await.unwrap();
    let long = bench.write(b"").await;
    bench.clock.advance(hour - Duration::from_micros(1));
    assert!(bench.files.get(&scope, &short.id).await.is_ok());
    bench.clock.advance(Duration::from_micros(1));
    assert!(is_not_found(&bench.files.get(&scope, &short.id).await));
    assert!(is_not_found(&bench.files.open(&scope, &short.id).await));
    assert_eq!(
        bench.files.list(&scope, None, &all()).await.unwrap().data,
        std::slice::from_ref(&long)
    );
    bench.clock.advance(24 * 30 * hour);
    assert!(is_not_found(&bench.files.get(&scope, &long.id).await), "its project keeps 30 days");

    let incoming = bench.files.writer(&bench.owner).await.unwrap();
    let odd = NewFile { expires_after: Some(hour / 2), ..new_file("odd") };
    let refused = incoming.finish(odd).await;
    assert!(matches!(refused, Err(FilesError::Invalid { param: "expires_after", .. })));
}

#[tokio::test]
async fn a_project_that_keeps_nothing_keeps_no_files() {
    let bench = Bench::start().await;
    let zero = Owner { retention: Retention { zero: true, days: 30 }, ..bench.owner.clone() };
    let refused = bench.files.writer(&zero).await;
    assert!(matches!(refused, Err(FilesError::ZeroRetention)));
}

#[tokio::test]
async fn a_file_that_is_too_large_is_refused_on_its_way() {
    let bench = Bench::start().await;
    let mut incoming = bench.files.writer(&bench.owner).await.unwrap();
    let piece = vec![0; 64 * MIB];
    for _ in 0..3 {
        incoming.write(&piece).await.unwrap();
    }
    let refused = incoming.write(&piece).await;
    assert!(matches!(refused, Err(FilesError::TooLarge { limit: MAX_FILE })));
}

#[tokio::test]
async fn lists_come_in_pages_of_either_order() {
    let bench = Bench::start().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(bench.write(b"x").await.id);
        bench.clock.advance(Duration::from_secs(1));
    }
    let incoming = bench.files.writer(&bench.owner).await.unwrap();
    let batch = NewFile { purpose: FilePurpose::Batch, ..new_file("batch.jsonl") };
    ids.push(incoming.finish(batch).await.unwrap().id);
    let scope = bench.owner.scope();
    let list = async |purpose, page: ItemPage| {
        let paged = bench.files.list(&scope, purpose, &page).await.unwrap();
        (paged.data.into_iter().map(|file| file.id).collect::<Vec<_>>(), paged.has_more)
    };
    let first = ItemPage { limit: 3, ..all() };
    let newest: Vec<_> = ids.iter().rev().cloned().collect();
    assert_eq!(list(None, first.clone()).await, (newest[..3].to_vec(), true));
    let next = ItemPage { after: Some(newest[2].to_string()), ..first };
    assert_eq!(list(None, next).await, (newest[3..].to_vec(), false));
    let oldest = ItemPage { descending: false, ..all() };
    assert_eq!(list(None, oldest).await, (ids.clone(), false));
    assert_eq!(list(Some(FilePurpose::Batch), all()).await, (ids[3..].to_vec(), false));
}

#[tokio::test]
async fn a_blob_that_is_not_what_was_written_is_an_error() {
    let bench = Bench::start().await;
    let scope = bench.owner.scope();
    let data = noise(2 * MIB);
    let file = bench.write(&data).await;
    let path = bench.blobs().pop().unwrap();
    let good = std::fs::read(&path).unwrap();
    let read = async || {
        let reader = bench.files.open(&scope, &file.id).await.unwrap();
        reader.stream(0..u64::MAX).try_collect::<Vec<_>>().await
    };
    for damage in 0..3 {
        let mut changed = good.clone();
        match damage {
            0 => changed[MIB + 40_000] ^= 1,
            1 => changed.truncate(good.len() - 1),
            _ => changed.clear(),
        }
        std::fs::write(&path, changed).unwrap();
        assert!(read().await.is_err(), "{damage}");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(read().await, Err(FilesError::Missing { .. })));
    std::fs::write(&path, good).unwrap();
    assert!(read().await.is_ok());
}
