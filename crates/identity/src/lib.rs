//! Who is calling: the keys of projects and organisations, and the rules of making, rotating and
//! ending them.
//!
//! [`Directory`] knows a caller by the key that is shown, in memory. [`Administration`] is the one
//! place where keys, projects, service accounts and organisations are made and changed, whichever
//! door asks for it. [`secret`] is the text of a key.
//!
//! May know: the store and the kernel. Must never do: SQL, HTTP, keep the plain text of a key, or
//! show more of one than [`secret::redact`] does.

pub mod admin_keys;
pub mod administration;
pub mod bootstrap;
pub mod directory;
pub mod keys;
pub mod organizations;
pub mod projects;
pub mod secret;
pub mod service_accounts;

pub use admin_keys::MadeAdminKey;
pub use administration::{Administration, AdministrationError};
pub use bootstrap::{Bootstrap, FirstKeys};
pub use directory::{Directory, IdentityError, Presented};
pub use keys::{KeyToMake, MadeKey, Rotation};
pub use organizations::MadeOrganization;
pub use secret::{ApiSecret, SecretKind};
pub use service_accounts::MadeServiceAccount;
