//! The only SQL of the house: SQLite and PostgreSQL behind one concrete [`Store`], with a module per
//! aggregate and method names that start with the resource.
//!
//! Every read or write of a tenant's data takes a [`kernel::Scope`] and reaches nothing outside it:
//! a row of another tenant is [`StoreError::NotFound`]. Every change to what running nodes keep in
//! memory raises the [generation](Store::generation) in the same transaction; nodes poll it, so a
//! key that is revoked on one node, or from the shell, stops working on all of them. It also writes
//! who made it to the [audit log](AuditRow): a handle [acts by somebody](Store::by) or only reads.
//!
//! May know: the kernel, and the vault for sealed columns. Must never do: decide who may do what,
//! know HTTP, store content otherwise than sealed under its project's key, or let content, a secret
//! or a connection's password into `Debug` or an error.

mod admin_key;
mod alert_fired;
mod api_key;
mod audit_event;
mod audit_snapshot;
mod batch;
mod batch_line;
mod batch_work;
mod budget;
mod budget_history;
mod budget_standing;
mod call_insert;
mod change;
mod chat_completion;
mod columns;
mod content;
mod conversation;
mod conversation_item;
mod database;
mod deletion;
mod directory;
mod dump;
mod error;
mod event;
mod file;
mod ledger;
mod limit;
mod many_rows;
mod master_key;
mod migrate;
mod model;
mod notice;
mod notification_channel;
mod organization;
mod page;
mod price;
mod project;
mod project_key;
mod project_service;
mod provider;
mod redact;
mod response;
mod response_event;
mod response_queue;
mod retention;
mod rollup;
mod scope;
mod service_account;
mod service_level;
mod service_objective;
mod setting;
mod shared_counter;
mod span;
mod spend;
mod spend_alert;
mod spend_lease;
mod store;
mod trace;
mod upload;
mod usage;
mod usage_plan;
mod usage_read;
mod usage_repair;
mod webhook;

pub use admin_key::{AdminKey, NewAdminKey};
pub use alert_fired::Firing;
pub use api_key::{ApiKey, NewApiKey, NewSecret};
pub use audit_event::{AuditFilter, AuditPage, AuditRow};
pub use audit_snapshot::AuditSnapshot;
pub use batch::{Batch, BatchCounts, BatchStatus, NewBatch};
pub use batch_line::{BatchResult, NewBatchResult, Standing, TakenSlice};
pub use batch_work::{BatchPlan, Slice};
pub use budget::{BudgetAlert, BudgetChange, BudgetRow, NewBudget};
pub use budget_standing::BudgetStanding;
pub use call_insert::Inserted;
pub use chat_completion::{ChatCompletionRow, ChatFilter};
pub use content::{ContentKind, ExpiredRow};
pub use conversation::{Conversation, NewConversation};
pub use conversation_item::{ItemRow, NewItem};
pub use database::Connections;
pub use deletion::{Deletion, NewDeletion, Pending};
pub use directory::{Directory, SecretRow};
pub use dump::{BlobEntry, DumpCheck, DumpSummary, LEFT_OUT, Loader, Released, Snapshot};
pub use error::StoreError;
pub use file::{BlobRow, FilePurpose, FileRow, NewFile};
pub use ledger::CallFilter;
pub use limit::{NewLimit, OwnedLimit};
pub use master_key::{MasterKeyStatus, NodeKeys};
pub use notice::{Attempt, NewNotice, Notice, NoticeChannel, Recipient, Waiting};
pub use notification_channel::NotificationChannel;
pub use organization::Organization;
pub use page::{ItemPage, Page, Paged};
pub use price::{NewPrice, Price};
pub use project::{ModelMode, ModelPermission, Project, ProjectStatus};
pub use project_key::Sealer;
pub use project_service::{ProjectService, ProjectServiceRow};
pub use response::{Lease, ResponseRow, ResponseStatus};
pub use response_event::EventChunk;
pub use retention::RetentionRow;
pub use service_account::{NewServiceAccount, ServiceAccount};
pub use service_level::{LEVEL_BUCKET, Level, LevelBucket, TierLevel};
pub use service_objective::{LatencyObjective, ObjectiveRow, Objectives, ServiceObjective};
pub use shared_counter::{CounterDraw, CounterDrawn, PlaceHeld, PlaceHold};
pub use spend::{SpendAccount, Spent};
pub use spend_alert::{SpendAlert, SpendAlertPage};
pub use spend_lease::{
    LEASE_LASTS, LeaseHolder, SpendAsk, SpendDrawn, SpendRenewed, SpendStanding, lease_share,
};
pub use store::{Store, StoreConfig};
pub use trace::{SpanRow, TraceRow};
pub use upload::{NewUpload, PartRow, UploadRow, UploadStatus};
pub use usage::{Bucket, BucketWidth, GroupBy, UsagePage, UsageQuery, UsageRow};
pub use usage_repair::UsageDifference;
pub use webhook::{NewWebhook, Webhook};
