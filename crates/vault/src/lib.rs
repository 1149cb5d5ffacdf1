//! Envelope encryption: what is written to disk or database in secret goes through here.
//!
//! The hierarchy has three levels. The *master key* lives outside the database. A *wrapping key* is
//! derived from it. Each sealed value has a *data key* of its own, wrapped by the wrapping key, so
//! that a new master key means rewrapping 32 bytes per value, and no two values ever share a key.
//!
//! May know: the kernel. Must never do: write a key or a plaintext to a log, an error or `Debug`;
//! answer anything but an error when a value is not exactly what was sealed for that place.

mod aad;
mod error;
mod key_file;
mod master_key;
mod vault;

pub use aad::Aad;
pub use error::VaultError;
pub use master_key::{KeyId, MasterKey};
pub use vault::Vault;
