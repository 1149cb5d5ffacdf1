//! The only SQL of the house: SQLite and PostgreSQL behind one concrete [`Store`], with a module per
//! aggregate and method names that start with the resource.
//!
//! Every read or write of a tenant's data takes a [`kernel::Scope`] and reaches nothing outside it:
//! a row of another tenant is [`StoreError::NotFound`]. Every change to what running nodes keep in
//! memory raises the [generation](Store::generation) in the same transaction; nodes poll it, so a
//! key that is revoked on one node, or from the shell, stops working on all of them.
//!
//! May know: the kernel, and the vault for sealed columns. Must never do: decide who may do what,
//! know HTTP, store content of calls, or let a secret or a connection's password into an error.

mod admin_key;
mod api_key;
mod columns;
mod database;
mod directory;
mod error;
mod ledger;
mod limit;
mod migrate;
mod model;
mod organization;
mod page;
mod price;
mod project;
mod provider;
mod scope;
mod service_account;
mod setting;
mod span;
mod store;
mod usage;

pub use admin_key::{AdminKey, NewAdminKey};
pub use api_key::{ApiKey, NewApiKey, NewSecret};
pub use directory::{Directory, SecretRow};
pub use error::StoreError;
pub use ledger::CallFilter;
pub use limit::{NewLimit, OwnedLimit};
pub use organization::Organization;
pub use page::{Page, Paged};
pub use price::{NewPrice, Price};
pub use project::{ModelMode, ModelPermission, Project, ProjectStatus};
pub use service_account::{NewServiceAccount, ServiceAccount};
pub use store::{Store, StoreConfig};
pub use usage::{Bucket, BucketWidth, GroupBy, UsagePage, UsageQuery, UsageRow};
