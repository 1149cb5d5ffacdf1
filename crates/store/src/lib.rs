//! The only SQL of the house: SQLite and PostgreSQL behind one concrete [`Store`], with a module per
//! aggregate and method names that start with the resource.
//!
//! Every read or write of a tenant's data takes a [`kernel::Scope`] and reaches nothing outside it:
//! a row of another tenant is [`StoreError::NotFound`]. Every change to what running nodes keep in
//! memory raises the [generation](Store::generation) in the same transaction; nodes poll it, so a
//! key that is revoked on one node, or from the shell, stops working on all of them.
//!
//! May know: the kernel, and the vault for sealed columns. Must never do: decide who may do what,
//! know HTTP, store content otherwise than sealed under its project's key, or let content, a secret
//! or a connection's password into `Debug` or an error.

mod admin_key;
mod api_key;
mod batch;
mod batch_line;
mod batch_work;
mod chat_completion;
mod columns;
mod content;
mod conversation;
mod conversation_item;
mod database;
mod deletion;
mod directory;
mod error;
mod file;
mod ledger;
mod limit;
mod migrate;
mod model;
mod organization;
mod page;
mod price;
mod project;
mod project_key;
mod provider;
mod redact;
mod response;
mod response_event;
mod response_queue;
mod retention;
mod scope;
mod service_account;
mod setting;
mod span;
mod store;
mod trace;
mod upload;
mod usage;

pub use admin_key::{AdminKey, NewAdminKey};
pub use api_key::{ApiKey, NewApiKey, NewSecret};
pub use batch::{Batch, BatchCounts, BatchStatus, NewBatch};
pub use batch_line::{BatchResult, NewBatchResult, Standing, TakenSlice};
pub use batch_work::{BatchPlan, Slice};
pub use chat_completion::{ChatCompletionRow, ChatFilter};
pub use content::{ContentKind, ExpiredRow};
pub use conversation::{Conversation, NewConversation};
pub use conversation_item::{ItemRow, NewItem};
pub use deletion::{Deletion, NewDeletion, Pending};
pub use directory::{Directory, SecretRow};
pub use error::StoreError;
pub use file::{BlobRow, FilePurpose, FileRow, NewFile};
pub use ledger::CallFilter;
pub use limit::{NewLimit, OwnedLimit};
pub use organization::Organization;
pub use page::{ItemPage, Page, Paged};
pub use price::{NewPrice, Price};
pub use project::{ModelMode, ModelPermission, Project, ProjectStatus};
pub use project_key::Sealer;
pub use response::{Lease, ResponseRow, ResponseStatus};
pub use response_event::EventChunk;
pub use retention::RetentionRow;
pub use service_account::{NewServiceAccount, ServiceAccount};
pub use store::{Store, StoreConfig};
pub use trace::{SpanRow, TraceRow};
pub use upload::{NewUpload, PartRow, UploadRow, UploadStatus};
pub use usage::{Bucket, BucketWidth, GroupBy, UsagePage, UsageQuery, UsageRow};
