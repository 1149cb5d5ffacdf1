//! Backups while others write and delete.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use backup::Source;
use kernel::{FileId, Scope, SystemRng};
use vault::MasterKeys;

use crate::bench::{Bench, create_into, elsewhere, open, read as read_file, restore, verify};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_committed_before_is_there_and_everything_refers_to_something() {
    let bench = Arc::new(Bench::new().await);
    let organization = Scope::organization(bench.owner.organization.clone());
    let mut before = HashSet::new();
    for number in 0..20 {
        let name = format!("Before {number}");
        before.insert(bench.store.project_create(&organization, &name).await.unwrap().id);
    }
    let kept = bench.write(&vec![1; 100_000]).await;

    let stop = Arc::new(AtomicBool::new(false));
    let writers = (0..3).map(|writer| {
        let (bench, stop, scope) = (Arc::clone(&bench), Arc::clone(&stop), organization.clone());
        tokio::spawn(async move {
            let mut rounds = 0;
            while !stop.load(Ordering::Relaxed) {
                let name = format!("Meanwhile {writer} {rounds}");
                bench.store.project_create(&scope, &name).await.unwrap();
                let file = bench.write(&vec![2; 70_000 * (rounds % 3)]).await;
                if rounds % 2 == 0 {
                    bench.files.delete(&bench.owner.scope(), &file.id).await.unwrap();
                }
                rounds += 1;
            }
            rounds
        })
    });
    let writers: Vec<_> = writers.collect();
    let mut backups = Vec::new();
    for _ in 0..5 {
        let mut bytes = Vec::new();
        create_into(bench.source(), &mut bytes).await.unwrap();
        backups.push(bytes);
    }
    stop.store(true, Ordering::Relaxed);
    let mut rounds = 0;
    for writer in writers {
        rounds += writer.await.unwrap();
    }
    assert!(rounds > 0, "there was something meanwhile");

    for bytes in backups {
        let verified = verify(&bytes).unwrap();
        assert!(verified.end.missing.is_empty(), "{:?}", verified.end);
        let (_folder, path) = elsewhere();
        restore(&bytes, &path).await.unwrap();
        let (store, files) = open(&path).await;
        for project in &before {
            store.project_get(&organization, project).await.unwrap();
        }
        let scope = bench.owner.scope();
        assert!(read_file(&files, &scope, &kept).await == vec![1; 100_000]);
        let mut page = store::ItemPage { after: None, limit: 100, descending: false };
        loop {
            let listed = files.list(&scope, None, &page).await.unwrap();
            for file in &listed.data {
                assert_eq!(read_file(&files, &scope, file).await.len() as u64, file.bytes);
            }
            match listed.data.last().filter(|_| listed.has_more) {
                Some(last) => page.after = Some(last.id.to_string()),
                None => break,
            }
        }
        store.close().await;
    }
}

/// Takes bytes, and when it has so many, has files deleted by another process.
struct Deleting {
    bytes: Vec<u8>,
    at: usize,
    data_dir: PathBuf,
    scope: Scope,
    files: Vec<FileId>,
}

impl Write for Deleting {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(data);
        if self.bytes.len() > self.at && !self.files.is_empty() {
            let (data_dir, scope, ids) =
                (self.data_dir.clone(), self.scope.clone(), std::mem::take(&mut self.files));
            let delete = async move {
                let (store, files) = open(&data_dir).await;
                for id in ids {
                    files.delete(&scope, &id).await.unwrap();
                }
                store.close().await;
            };
            elsewhere_now(delete);
        }
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs this to its end, as another process would.
fn elsewhere_now(work: impl Future<Output = ()> + Send + 'static) {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    std::thread::spawn(move || runtime().block_on(work)).join().unwrap();
}

#[tokio::test]
async fn a_master_key_that_is_replaced_meanwhile_does_no_harm() {
    let bench = Bench::new().await;
    let file = bench.write(b"small").await;
    let data_dir = bench.path().to_owned();
    let rotated = AtomicBool::new(false);
    let read = move || {
        let path = data_dir.join("master.key");
        let before = MasterKeys::load(&path)?;
        if !rotated.swap(true, Ordering::Relaxed) {
            MasterKeys::change(&path, &SystemRng, |keys| keys.rotate(&SystemRng))?;
            let data_dir = data_dir.clone();
            elsewhere_now(async move {
                let (store, _) = open(&data_dir).await;
                store.master_key_switch().await.unwrap();
                store.master_key_rewrap(|_| ()).await.unwrap();
                store.close().await;
            });
        }
        Ok(before)
    };
    let mut bytes = Vec::new();
    let source = Source { master_keys: Some(Box::new(read)), ..bench.source() };
    create_into(source, &mut bytes).await.unwrap();
    assert_eq!(verify(&bytes).unwrap().values_opened, 3);
    let (_folder, path) = elsewhere();
    restore(&bytes, &path).await.unwrap();
    let (_store, files) = open(&path).await;
    assert_eq!(read_file(&files, &bench.owner.scope(), &file).await, b"small");
}

#[tokio::test]
async fn a_file_deleted_while_its_bytes_are_carried_is_left_out() {
    let bench = Bench::new().await;
    let (one, two) = (bench.write(&vec![1; 4 << 20]).await, bench.write(&vec![2; 4 << 20]).await);
    let mut out = Deleting {
        bytes: Vec::new(),
        at: 2 << 20,
        data_dir: bench.path().to_owned(),
        scope: bench.owner.scope(),
        files: vec![one.id.clone(), two.id.clone()],
    };
    let end = create_into(bench.source(), &mut out).await.unwrap();
    assert_eq!((end.deleted_meanwhile.len(), end.missing.len(), end.blobs), (2, 0, 0));
    assert!(out.bytes.len() > 2 << 20, "one of them was half carried");
    assert_eq!(verify(&out.bytes).unwrap().end, end);
    let (_folder, path) = elsewhere();
    assert_eq!(restore(&out.bytes, &path).await.unwrap().left_out, 2);
    let (_store, files) = open(&path).await;
    for id in [one.id, two.id] {
        assert!(files.get(&bench.owner.scope(), &id).await.is_err());
    }
}
