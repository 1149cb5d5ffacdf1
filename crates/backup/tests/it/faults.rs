//! Backups that are not what was written.

use std::fs;

use backup::BackupError;
use kernel::SystemRng;
use store::StoreError;
use vault::MasterKeys;

use crate::bench::{Bench, create, create_into, elsewhere, names, restore, verify};

/// Neither calls it good, and nothing is left of what was begun.
async fn refused(bytes: &[u8], what: &str) -> BackupError {
    let Err(error) = verify(bytes) else { panic!("{what}") };
    let (_folder, path) = elsewhere();
    assert!(restore(bytes, &path).await.is_err(), "{what}");
    assert!(names(&path).is_empty(), "{what}: {:?}", names(&path));
    error
}

/// A backup with several chunks.
async fn some() -> Vec<u8> {
    let bench = Bench::new().await;
    bench.write(&vec![0x5a; 900_000]).await;
    bench.back_up().await.0
}

#[tokio::test]
async fn a_file_that_was_cut_says_so() {
    let bytes = some().await;
    for end in [bytes.len() / 3, bytes.len() / 2, bytes.len() - 1] {
        let error = refused(&bytes[..end], "cut").await;
        assert!(matches!(error, BackupError::CutOff { at } if at <= end as u64), "{error}");
    }
    assert!(matches!(refused(b"", "empty").await, BackupError::NotABackup));
}

#[tokio::test]
async fn a_flipped_bit_is_found_wherever_it_is() {
    let bytes = some().await;
    for at in (0..bytes.len()).step_by(bytes.len() / 12).chain([bytes.len() - 1]) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        refused(&changed, &format!("byte {at}")).await;
    }
}

#[tokio::test]
async fn chunks_in_another_order_are_found() {
    let mut bytes = some().await;
    let length = bytes.len();
    bytes[length - 2 * 262_160..].rotate_left(262_160);
    assert!(matches!(refused(&bytes, "moved").await, BackupError::Damaged { .. }));
}

#[tokio::test]
async fn chunks_of_another_backup_are_found() {
    let bench = Bench::new().await;
    bench.write(&vec![0x5a; 900_000]).await;
    let (one, two) = (bench.back_up().await.0, create(bench.source()).await.0);
    let at = one.len() - 300_000;
    let spliced = [&one[..at], &two[two.len() - 300_000..]].concat();
    refused(&spliced, "spliced").await;
}

#[tokio::test]
async fn another_passphrase_says_so() {
    let bytes = some().await;
    let wrong = backup::BackupKey::parse(&"another passphrase".to_owned().into()).unwrap();
    let rng = std::sync::Arc::new(kernel::SystemRng);
    let error = backup::verify(&bytes[..], &wrong, None, rng).unwrap_err();
    assert!(matches!(error, BackupError::WrongKey { wanted: "passphrase" }), "{error}");
}

#[tokio::test]
async fn a_wrong_master_key_is_known_before_a_byte_is_written() {
    let bench = Bench::new().await;
    let mut source = bench.source();
    let wrong = tempfile::tempdir().unwrap();
    let path = wrong.path().join("master.key");
    MasterKeys::load_or_create(&path, &SystemRng).unwrap();
    source.master_keys = Some(Box::new(move || Ok(MasterKeys::load(&path)?)));
    let mut out = Vec::new();
    let error = create_into(source, &mut out).await.unwrap_err();
    assert!(matches!(error, BackupError::Store(StoreError::WrongMasterKey { .. })), "{error}");
    assert!(out.is_empty(), "nothing is written");

    // Who leaves the keys out may have none.
    let mut source = bench.source();
    source.master_keys = None;
    create_into(source, &mut out).await.unwrap();
}

#[tokio::test]
async fn a_restore_goes_on_where_one_was_killed() {
    let bytes = some().await;
    for killed_with in [&[][..], &[".kijun-restore", "kijun.db", "master.key"]] {
        let (_folder, path) = elsewhere();
        let half = path.join(".restoring");
        fs::create_dir(&half).unwrap();
        killed_with.iter().for_each(|name| fs::write(half.join(name), "half").unwrap());
        restore(&bytes, &path).await.unwrap();
        assert!(names(&path).iter().all(|name| !name.contains("restor")), "{:?}", names(&path));
        assert_ne!(fs::read(path.join("kijun.db")).unwrap(), b"half");
    }
}

#[tokio::test]
async fn what_no_restore_made_is_left_alone() {
    let bytes = some().await;
    let (_folder, path) = elsewhere();
    let half = path.join(".restoring");
    fs::create_dir(&half).unwrap();
    fs::write(half.join("diary"), "mine").unwrap();
    let error = restore(&bytes, &path).await.unwrap_err();
    assert!(matches!(error, BackupError::NotEmpty { .. }), "{error}");
    assert_eq!(fs::read(half.join("diary")).unwrap(), b"mine");

    // Killed while it moved its files: nobody can tell what is missing.
    fs::rename(half.join("diary"), half.join(".kijun-restore")).unwrap();
    fs::write(path.join("kijun.db"), "moved").unwrap();
    let error = restore(&bytes, &path).await.unwrap_err();
    assert!(matches!(error, BackupError::HalfRestored { .. }), "{error}");
    assert!(half.exists() && path.join("kijun.db").exists());
}
