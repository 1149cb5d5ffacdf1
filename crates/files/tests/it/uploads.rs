//! Uploads: parts in any order, checked when they become a file.

use std::path::PathBuf;
use std::time::Duration;

use files::{FilesError, NewUpload, Owner, PART_BYTES, Upload, UploadStatus};
use kernel::Retention;
use store::{FilePurpose, StoreError};

use crate::bench::{Bench, noise};

impl Bench {
    async fn begin(&self, bytes: u64) -> Upload {
        self.files.upload_create(&self.owner, new(bytes)).await.unwrap()
    }

    async fn part(&self, upload: &Upload, data: &[u8]) -> Result<String, FilesError> {
        let mut part = self.files.upload_part(&self.owner, &upload.row.id).await?;
        part.write(data).await?;
        Ok(part.finish().await?.id.to_string())
    }

    async fn complete(
        &self,
        upload: &Upload,
        parts: &[String],
        md5: Option<&str>,
    ) -> Result<Upload, FilesError> {
        self.files.upload_complete(&self.owner, &upload.row.id, parts, md5).await
    }
}

fn new(bytes: u64) -> NewUpload {
    let purpose = FilePurpose::Batch;
    NewUpload { filename: "lines.jsonl".into(), purpose, bytes, expires_after: None }
}

#[tokio::test]
async fn parts_become_the_file_in_the_order_asked_for() {
    let bench = Bench::start().await;
    let data = noise(300_000);
    let upload = bench.begin(300_000).await;
    assert_eq!(upload.status, UploadStatus::Pending);
    let last = bench.part(&upload, &data[170_000..]).await.unwrap();
    let first = bench.part(&upload, &data[..170_000]).await.unwrap();
    let unused = bench.part(&upload, b"a first try").await.unwrap();
    assert_ne!(unused, first);
    let done = bench.complete(&upload, &[first, last], None).await.unwrap();
    assert_eq!(done.status, UploadStatus::Completed);
    let file = done.file.unwrap();
    assert_eq!((file.bytes, file.filename.as_str()), (300_000, "lines.jsonl"));
    assert_eq!(bench.blobs().len(), 2, "nothing is copied, and the unused part is gone");
    let reader = bench.files.open(&bench.owner.scope(), &file.id).await.unwrap();
    assert!(reader.read_range(0, u64::MAX).await.unwrap() == data);
    assert!(reader.read_range(169_990, 20).await.unwrap() == data[169_990..170_010]);
    bench.files.delete(&bench.owner.scope(), &file.id).await.unwrap();
    assert_eq!(bench.blobs(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn what_does_not_make_up_the_file_is_refused_and_the_upload_goes_on() {
    let bench = Bench::start().await;
    let upload = bench.begin(10).await;
    let one = bench.part(&upload, b"hello").await.unwrap();
    let two = bench.part(&upload, b"world").await.unwrap();
    let other = bench.begin(5).await;
    let foreign = bench.part(&other, b"other").await.unwrap();
    for parts in [
        vec![one.clone()],
        vec![],
        vec![one.clone(), one.clone()],
        vec![one.clone(), foreign],
        vec![one.clone(), "part_unknown".into()],
    ] {
        let refused = bench.complete(&upload, &parts, None).await.unwrap_err();
        assert!(matches!(refused, FilesError::Invalid { param: "part_ids", .. }), "{refused}");
    }
    let parts = [one, two];
    // printf helloworld | md5sum
    let right = "fc5e038d38a57032085441e7fe7010b0";
    for wrong in
        ["", "fc5e", "00000000000000000000000000000000", "zz5e038d38a57032085441e7fe7010b0"]
    {
        let refused = bench.complete(&upload, &parts, Some(wrong)).await.unwrap_err();
        assert!(matches!(refused, FilesError::Invalid { param: "md5", .. }), "{refused}");
    }
    let done = bench.complete(&upload, &parts, Some(&right.to_uppercase())).await.unwrap();
    let again = bench.complete(&upload, &parts, Some(right)).await.unwrap();
    assert_eq!(done.file, again.file, "who did not hear the answer may ask again");
    let late = bench.part(&upload, b"late").await.unwrap_err();
    assert!(matches!(late, FilesError::UploadOver { status: "completed", .. }), "{late}");
    let late = bench.files.upload_cancel(&bench.owner, &upload.row.id).await.unwrap_err();
    assert!(matches!(late, FilesError::UploadOver { status: "completed", .. }), "{late}");
}

#[tokio::test]
async fn a_cancelled_upload_leaves_nothing() {
    let bench = Bench::start().await;
    let upload = bench.begin(5).await;
    let part = bench.part(&upload, b"hello").await.unwrap();
    let mut under_way = bench.files.upload_part(&bench.owner, &upload.row.id).await.unwrap();
    under_way.write(b"late").await.unwrap();
    let cancelled = bench.files.upload_cancel(&bench.owner, &upload.row.id).await.unwrap();
    assert_eq!(cancelled.status, UploadStatus::Cancelled);
    let late = under_way.finish().await.unwrap_err();
    assert!(matches!(late, FilesError::Store(StoreError::Conflict { .. })), "{late}");
    assert_eq!(bench.blobs(), Vec::<PathBuf>::new());
    let refused = bench.complete(&upload, &[part], None).await.unwrap_err();
    assert!(matches!(refused, FilesError::UploadOver { status: "cancelled", .. }));
    assert!(bench.files.upload_cancel(&bench.owner, &upload.row.id).await.is_ok(), "twice is once");
}

#[tokio::test]
async fn an_upload_takes_parts_for_an_hour() {
    let bench = Bench::start().await;
    let upload = bench.begin(5).await;
    let part = bench.part(&upload, b"hello").await.unwrap();
    bench.clock.advance(Duration::from_secs(3_600));
    for refused in [
        bench.part(&upload, b"late").await.unwrap_err(),
        bench.complete(&upload, &[part], None).await.unwrap_err(),
        bench.files.upload_cancel(&bench.owner, &upload.row.id).await.unwrap_err(),
    ] {
        assert!(matches!(refused, FilesError::UploadOver { status: "expired", .. }), "{refused}");
    }
}

#[tokio::test]
async fn an_upload_is_its_projects_alone() {
    let bench = Bench::start().await;
    let upload = bench.begin(5).await;
    bench.part(&upload, b"hello").await.unwrap();
    let (stranger, id) = (&bench.stranger, &upload.row.id);
    for refused in [
        bench.files.upload_part(stranger, id).await.unwrap_err(),
        bench.files.upload_complete(stranger, id, &[], None).await.unwrap_err(),
        bench.files.upload_cancel(stranger, id).await.unwrap_err(),
    ] {
        let FilesError::Store(StoreError::NotFound { what, .. }) = refused else {
            panic!("{refused}");
        };
        assert_eq!(what, "upload");
    }
}

#[tokio::test]
async fn no_part_and_no_file_is_larger_than_allowed() {
    let bench = Bench::start().await;
    let upload = bench.begin(PART_BYTES).await;
    let mut part = bench.files.upload_part(&bench.owner, &upload.row.id).await.unwrap();
    part.write(&vec![0; PART_BYTES as usize]).await.unwrap();
    let refused = part.write(b"x").await.unwrap_err();
    assert!(matches!(refused, FilesError::PartTooLarge { limit: PART_BYTES }));
    // Every part may be sent again, but an upload is no place for more than its file.
    let small = bench.begin(5).await;
    let mut part = bench.files.upload_part(&bench.owner, &small.row.id).await.unwrap();
    let refused = part.write(&[0; 16]).await.unwrap_err();
    assert!(matches!(refused, FilesError::PartTooLarge { limit: 15 }));
    part.write(&[0; 15]).await.unwrap();
    part.finish().await.unwrap();
    let refused = bench.files.upload_part(&bench.owner, &small.row.id).await.unwrap_err();
    assert!(matches!(refused, FilesError::Invalid { param: "data", .. }));
    let refused = bench.files.upload_create(&bench.owner, new(u64::MAX)).await.unwrap_err();
    assert!(matches!(refused, FilesError::TooLarge { .. }));
    let zero = Owner { retention: Retention { zero: true, days: 30 }, ..bench.owner.clone() };
    let refused = bench.files.upload_create(&zero, new(5)).await.unwrap_err();
    assert!(matches!(refused, FilesError::ZeroRetention));
}

#[tokio::test]
async fn of_two_that_complete_at_once_both_get_the_one_file() {
    let bench = Bench::start().await;
    let upload = bench.begin(5).await;
    let parts = [bench.part(&upload, b"hello").await.unwrap()];
    let (one, two) =
        tokio::join!(bench.complete(&upload, &parts, None), bench.complete(&upload, &parts, None));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert!(one.file.is_some());
    assert_eq!(one.file, two.file);
    assert_eq!(bench.blobs().len(), 1);
}
