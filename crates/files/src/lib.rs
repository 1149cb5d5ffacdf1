//! Files and uploads: sealed on their way into a blob store, a folder or S3, and never whole in
//! memory.
//!
//! A file is a row and an ordered list of blobs. A blob is written once, under a name of its own,
//! in chunks of 64 KiB that are sealed one by one, so any range of it can be read and none of it can
//! be changed unseen. Blobs are made before the row that points to them and deleted after it; what a
//! crash leaves in between is found by a sweep.
//!
//! May know: the store's rows, the vault's ciphers, bytes. Must never do: look into a file, decide
//! who may read it (rows are reached by scope alone), or leave plain text on a disk.

mod blob;
mod carry;
mod error;
mod files;
mod incoming;
mod lines;
mod part;
mod reader;
mod sealed;
mod sweep;
mod uploads;

pub use blob::{BlobConfig, Blobs, BucketConfig, Listed};
pub use carry::{BlobCheck, Carried};
pub use error::FilesError;
pub use files::{Files, FilesConfig, NewFile, Owner, uploaded_purpose};
pub use incoming::Incoming;
pub use lines::{Line, Lines};
pub use part::IncomingPart;
pub use reader::Reader;
pub use sweep::Swept;
pub use uploads::{NewUpload, PART_BYTES, Upload, UploadStatus};
