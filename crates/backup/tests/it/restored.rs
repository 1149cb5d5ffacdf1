//! What was backed up is there again, elsewhere.

use std::fs;

use backup::{BackupError, BackupKey};
use kernel::SystemRng;
use vault::MasterKeys;

use crate::bench::{
    Bench, create, create_into, elsewhere, key, names, open, read, restore, target, verify,
};

#[tokio::test]
async fn one_file_and_its_passphrase_are_enough() {
    let bench = Bench::new().await;
    let small = bench.write(b"small").await;
    let empty = bench.write(b"").await;
    let large = bench.write(&vec![0x5a; 3_000_000]).await;
    let (bytes, end) = bench.back_up().await;
    assert_eq!((end.blobs, end.blob_bytes, end.rows["project"]), (3, 3_000_005, 1));
    assert_eq!(end.files["journal"], 1, "without the cursor");
    for secret in ["Acme", "notes.txt", "signing.key", "BEGIN"] {
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "{secret} stands there in plain");
    }

    let verified = verify(&bytes).unwrap();
    assert_eq!(verified.end, end);
    assert_eq!(verified.blobs_opened, 3);
    // The canary, the project's key, the audit log's key.
    assert_eq!(verified.values_opened, 3);

    let (_folder, path) = elsewhere();
    let restored = restore(&bytes, &path).await.unwrap();
    assert_eq!((restored.end, restored.left_out), (end, 0));
    assert_eq!(names(&path), ["audit", "blobs", "journal", "kijun.db", "master.key"]);
    assert_eq!(names(&path.join("journal")), ["00000000000000000007.journal"]);
    let segment = fs::read_to_string(path.join("journal/00000000000000000007.journal"));
    assert_eq!(segment.unwrap(), "journal 00000000000000000007.journal\n");
    assert_eq!(names(&path.join("audit")), ["installation.jsonl", "signing.key"]);

    let (store, files) = open(&path).await;
    let scope = bench.owner.scope();
    assert_eq!(store.organization_list().await.unwrap()[0].name, "Acme");
    assert_eq!(read(&files, &scope, &small).await, b"small");
    assert_eq!(read(&files, &scope, &empty).await, b"");
    assert!(read(&files, &scope, &large).await == vec![0x5a; 3_000_000]);
    files.sweep().await.unwrap();
    store.project_create(&scope.organization.clone().into_scope(), "More").await.unwrap();
}

/// The scope of a whole organisation.
trait IntoScope {
    fn into_scope(self) -> kernel::Scope;
}

impl IntoScope for kernel::OrganizationId {
    fn into_scope(self) -> kernel::Scope {
        kernel::Scope::organization(self)
    }
}

#[tokio::test]
async fn without_master_keys_inside_they_come_from_elsewhere() {
    let bench = Bench::new().await;
    let file = bench.write(b"small").await;
    let mut source = bench.source();
    let keys = (source.master_keys.take().unwrap())().unwrap();
    let (bytes, _) = create(source).await;
    assert_eq!(verify(&bytes).unwrap().values_opened, 0);
    let rng = std::sync::Arc::new(SystemRng);
    let opened = backup::verify(&bytes[..], &key(), Some(&keys), rng.clone()).unwrap();
    assert_eq!(opened.values_opened, 3);
    let strangers = MasterKeys::of(vault::MasterKey::generate(&SystemRng));
    assert!(backup::verify(&bytes[..], &key(), Some(&strangers), rng).is_err());

    let (_folder, path) = elsewhere();
    let wrong = backup::Target { master_keys: Some(strangers), ..target(&path) };
    let error = backup::restore(&bytes[..], &key(), wrong).await.unwrap_err();
    assert!(error.to_string().contains("another master key"), "{error}");
    assert!(names(&path).is_empty());

    restore(&bytes, &path).await.unwrap();
    assert_eq!(names(&path), ["audit", "blobs", "journal", "kijun.db"]);
    keys.save_new(&path.join("master.key"), &SystemRng).unwrap();
    let (_store, files) = open(&path).await;
    assert_eq!(read(&files, &bench.owner.scope(), &file).await, b"small");
}

#[tokio::test]
async fn a_blob_that_was_missing_before_is_told_and_its_row_is_kept() {
    let bench = Bench::new().await;
    let file = bench.write(b"small").await;
    let shard = names(&bench.path().join("blobs")).into_iter().find(|name| name.len() == 2);
    fs::remove_dir_all(bench.path().join("blobs").join(shard.unwrap())).unwrap();
    let (bytes, end) = bench.back_up().await;
    assert_eq!((end.missing.len(), end.deleted_meanwhile.len(), end.blobs), (1, 0, 0));
    assert_eq!(verify(&bytes).unwrap().end, end);
    let (_folder, path) = elsewhere();
    assert_eq!(restore(&bytes, &path).await.unwrap().left_out, 0);
    let (_store, files) = open(&path).await;
    assert!(files.get(&bench.owner.scope(), &file.id).await.is_ok(), "the trouble stays visible");
}

#[tokio::test]
async fn a_target_with_something_in_it_is_refused_and_left_alone() {
    let bench = Bench::new().await;
    let (bytes, _) = bench.back_up().await;
    let (_folder, path) = elsewhere();
    fs::write(path.join("kijun.db"), "somebody's").unwrap();
    let error = restore(&bytes, &path).await.unwrap_err();
    assert!(matches!(error, BackupError::NotEmpty { .. }), "{error}");
    assert_eq!(fs::read_to_string(path.join("kijun.db")).unwrap(), "somebody's");
    assert_eq!(names(&path), ["kijun.db"]);

    let (_folder, path) = elsewhere();
    fs::write(path.join("node.lock"), "").unwrap();
    let onto_itself =
        backup::Target { database: Some(crate::bench::config(bench.path())), ..target(&path) };
    let error = backup::restore(&bytes[..], &key(), onto_itself).await.unwrap_err();
    assert!(error.to_string().contains("not empty"), "{error}");
    assert_eq!(names(&path), ["node.lock"]);
    assert_eq!(bench.store.organization_list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_recovery_key_does_what_a_passphrase_does() {
    let bench = Bench::new().await;
    let key = BackupKey::parse(&BackupKey::generate(&SystemRng)).unwrap();
    let mut bytes = Vec::new();
    let cost = vault::PassphraseCost::DEFAULT;
    backup::create(bench.source(), &key, cost, &mut bytes).await.unwrap();
    let (_folder, path) = elsewhere();
    backup::restore(&bytes[..], &key, target(&path)).await.unwrap();
    let error = verify(&bytes).unwrap_err();
    assert!(error.to_string().contains("recovery key"), "{error}");
}

#[tokio::test]
async fn an_output_that_fails_fails_the_backup() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let bench = Bench::new().await;
    let error = create_into(bench.source(), &mut Full).await.unwrap_err();
    assert!(error.to_string().starts_with("cannot write the backup"), "{error}");
}
