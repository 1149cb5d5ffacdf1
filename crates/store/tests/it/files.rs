//! Files and uploads: rows in their scope, names sealed, one winner.

use std::time::Duration;

use kernel::{FileId, Scope, SystemRng, UploadId, UploadPartId};
use store::{
    BlobRow, FilePurpose, ItemPage, NewFile, NewUpload, PartRow, StoreError, UploadStatus,
};

use crate::bench::{Bench, store_suite};

store_suite!(
    a_file_is_found_in_its_scope_alone,
    names_are_sealed,
    a_file_whose_time_is_over_is_not_found,
    lists_are_filtered_and_paged_both_ways,
    a_deleted_file_gives_its_blobs_back,
    parts_become_a_file_once,
    an_upload_that_is_over_takes_nothing,
);

const HOUR: Duration = Duration::from_secs(3_600);

fn blob(name: &str, bytes: u64) -> BlobRow {
    BlobRow { blob: name.into(), bytes }
}

fn new_file(bench: &Bench, blobs: &[BlobRow]) -> NewFile {
    let created_at = kernel::Clock::now(&*bench.clock);
    NewFile {
        id: FileId::new(created_at, &SystemRng),
        api_key: "key_1".into(),
        filename: "canary.txt".into(),
        purpose: FilePurpose::FineTune,
        created_at,
        expires_at: Some(created_at.plus(HOUR)),
        blobs: blobs.to_vec(),
    }
}

fn new_upload(bench: &Bench) -> NewUpload {
    let created_at = kernel::Clock::now(&*bench.clock);
    NewUpload {
        id: UploadId::new(created_at, &SystemRng),
        api_key: "key_1".into(),
        filename: "canary.txt".into(),
        purpose: FilePurpose::Batch,
        bytes: 3,
        created_at,
        expires_at: created_at.plus(HOUR),
        file_expires_after: Some(2 * HOUR),
    }
}

fn part(bench: &Bench, blob: BlobRow) -> PartRow {
    let created_at = kernel::Clock::now(&*bench.clock);
    PartRow { id: UploadPartId::new(created_at, &SystemRng), blob, created_at }
}

fn is_missing<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::NotFound { .. }))
}

async fn a_file_is_found_in_its_scope_alone(bench: &Bench) {
    let (home, other) = (bench.tenant("Home").await, bench.tenant("Other").await);
    let sibling = bench.store.project_create(&home.scope, "Sibling").await.unwrap();
    let sibling = Scope { project: Some(sibling.id), ..home.scope.clone() };
    let scope = home.project_scope();
    let blobs = [blob("b1", 5), blob("b2", 7)];
    let file = bench.store.file_insert(&scope, &new_file(bench, &blobs)).await.unwrap();
    assert_eq!((file.bytes, &file.project), (12, &home.project.id));
    for allowed in [&scope, &home.scope] {
        assert_eq!(bench.store.file_get(allowed, &file.id).await.unwrap(), file);
    }
    let opened = bench.store.file_open(&scope, &file.id).await.unwrap();
    assert_eq!(opened, (file.clone(), blobs.to_vec()));
    for stranger in [&sibling, &other.scope, &other.project_scope()] {
        assert!(is_missing(&bench.store.file_get(stranger, &file.id).await));
        assert!(is_missing(&bench.store.file_open(stranger, &file.id).await));
        assert!(is_missing(&bench.store.file_delete(stranger, &file.id).await));
        let page = ItemPage { after: None, limit: 10, descending: true };
        assert_eq!(bench.store.file_list(stranger, None, &page).await.unwrap().data, []);
    }
    let of_nobody = bench.store.file_insert(&home.scope, &new_file(bench, &[])).await;
    assert!(matches!(of_nobody, Err(StoreError::Invalid { .. })));
}

async fn names_are_sealed(bench: &Bench) {
    let scope = bench.tenant("Home").await.project_scope();
    let file = bench.store.file_insert(&scope, &new_file(bench, &[])).await.unwrap();
    let upload = bench.store.upload_insert(&scope, new_upload(bench)).await.unwrap();
    for table in ["file", "upload"] {
        let stored = bench.bytes(&format!("SELECT filename FROM {table}")).await;
        assert!(!stored.windows(6).any(|window| window == b"canary"), "{table}");
    }
    assert_eq!(bench.store.file_get(&scope, &file.id).await.unwrap().filename, "canary.txt");
    assert_eq!(bench.store.upload_get(&scope, &upload.id).await.unwrap(), upload);
    assert!(!format!("{file:?} {upload:?}").contains("canary"));
}

async fn a_file_whose_time_is_over_is_not_found(bench: &Bench) {
    let scope = bench.tenant("Home").await.project_scope();
    let file = bench.store.file_insert(&scope, &new_file(bench, &[])).await.unwrap();
    bench.clock.advance(HOUR);
    assert!(is_missing(&bench.store.file_get(&scope, &file.id).await));
    assert!(is_missing(&bench.store.file_open(&scope, &file.id).await));
    assert!(is_missing(&bench.store.file_delete(&scope, &file.id).await));
}

async fn lists_are_filtered_and_paged_both_ways(bench: &Bench) {
    let scope = bench.tenant("Home").await.project_scope();
    let mut ids = Vec::new();
    for purpose in [FilePurpose::Batch, FilePurpose::Batch, FilePurpose::UserData] {
        let new = NewFile { purpose, ..new_file(bench, &[]) };
        ids.push(bench.store.file_insert(&scope, &new).await.unwrap().id);
        bench.clock.advance(Duration::from_secs(1));
    }
    let list = async |purpose, after: Option<&FileId>, limit, descending| {
        let page = ItemPage { after: after.map(ToString::to_string), limit, descending };
        let paged = bench.store.file_list(&scope, purpose, &page).await.unwrap();
        (paged.data.into_iter().map(|file| file.id).collect::<Vec<_>>(), paged.has_more)
    };
    let [one, two, three] = [0, 1, 2].map(|at: usize| ids[at].clone());
    let first = list(None, None, 2, true).await;
    assert_eq!(first, (vec![three.clone(), two.clone()], true));
    assert_eq!(list(None, Some(&two), 2, true).await, (vec![one.clone()], false));
    assert_eq!(list(None, Some(&one), 2, false).await, (vec![two.clone(), three], false));
    assert_eq!(list(Some(FilePurpose::Batch), None, 9, false).await, (vec![one, two], false));
}

async fn a_deleted_file_gives_its_blobs_back(bench: &Bench) {
    let scope = bench.tenant("Home").await.project_scope();
    let blobs = [blob("b1", 1), blob("b2", 2)];
    let file = bench.store.file_insert(&scope, &new_file(bench, &blobs)).await.unwrap();
    let names = ["b1", "b2", "b3"].map(str::to_owned);
    let in_use = bench.store.blobs_in_use(&names).await.unwrap();
    assert_eq!(in_use.len(), 2);
    assert!(!in_use.contains("b3"));
    assert_eq!(bench.store.file_delete(&scope, &file.id).await.unwrap(), blobs);
    assert!(bench.store.blobs_in_use(&names).await.unwrap().is_empty());
    assert_eq!(bench.number("SELECT COUNT(*) FROM file_blob").await, 0);
}

async fn parts_become_a_file_once(bench: &Bench) {
    let scope = bench.tenant("Home").await.project_scope();
    let id = bench.store.upload_insert(&scope, new_upload(bench)).await.unwrap().id;
    for (name, bytes) in [("b1", 1), ("b2", 2), ("b3", 4)] {
        let part = part(bench, blob(name, bytes));
        bench.store.upload_part_insert(&scope, &id, &part).await.unwrap();
    }
    assert_eq!(bench.store.upload_parts(&scope, &id).await.unwrap().len(), 3);
    let of_another = new_file(bench, &[blob("b9", 1)]);
    let refused = bench.store.upload_complete(&scope, &id, &of_another).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })));
    assert_eq!(bench.store.upload_parts(&scope, &id).await.unwrap().len(), 3, "all was undone");

    let wanted = [blob("b2", 2), blob("b1", 1)];
    let (one, two) = (new_file(bench, &wanted), new_file(bench, &wanted));
    let (one, two) = tokio::join!(
        bench.store.upload_complete(&scope, &id, &one),
        bench.store.upload_complete(&scope, &id, &two),
    );
    let (won, lost) = if one.is_ok() { (one, two) } else { (two, one) };
    let (file, unused) = won.unwrap();
    assert_eq!(unused, [blob("b3", 4)]);
    assert!(matches!(lost, Err(StoreError::Conflict { .. })));
    assert_eq!(bench.store.file_open(&scope, &file.id).await.unwrap().1, wanted);
    let upload = bench.store.upload_get(&scope, &id).await.unwrap();
    assert_eq!((upload.status, upload.file), (UploadStatus::Completed, Some(file.id)));
    assert_eq!(bench.number("SELECT COUNT(*) FROM upload_part").await, 0);
}

async fn an_upload_that_is_over_takes_nothing(bench: &Bench) {
    let (home, other) = (bench.tenant("Home").await, bench.tenant("Other").await);
    let scope = home.project_scope();
    let id = bench.store.upload_insert(&scope, new_upload(bench)).await.unwrap().id;
    let first = part(bench, blob("b1", 1));
    bench.store.upload_part_insert(&scope, &id, &first).await.unwrap();
    let stranger = other.project_scope();
    assert!(is_missing(&bench.store.upload_get(&stranger, &id).await));
    assert!(is_missing(&bench.store.upload_part_insert(&stranger, &id, &first).await));
    assert!(is_missing(&bench.store.upload_cancel(&stranger, &id).await));
    assert_eq!(bench.store.upload_parts(&stranger, &id).await.unwrap(), []);

    assert_eq!(bench.store.upload_cancel(&scope, &id).await.unwrap(), [blob("b1", 1)]);
    let expired = bench.store.upload_insert(&scope, new_upload(bench)).await.unwrap().id;
    bench.clock.advance(HOUR);
    for over in [&id, &expired] {
        let late = part(bench, blob("b2", 1));
        let added = bench.store.upload_part_insert(&scope, over, &late).await;
        assert!(matches!(added, Err(StoreError::Conflict { .. })));
        let completed = bench.store.upload_complete(&scope, over, &new_file(bench, &[])).await;
        assert!(matches!(completed, Err(StoreError::Conflict { .. })));
        let cancelled = bench.store.upload_cancel(&scope, over).await;
        assert!(matches!(cancelled, Err(StoreError::Conflict { .. })));
    }
}
