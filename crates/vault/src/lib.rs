//! Envelope encryption: what is written to disk or database in secret goes through here.
//!
//! The hierarchy has three levels. The *master key* lives outside the database. A *wrapping key* is
//! derived from it. Each sealed value has a *data key* of its own, wrapped by the wrapping key, so
//! that no two values ever share a key. What is sealed so is short: credentials and the keys below.
//! A new master key means sealing these anew, a few hundred bytes for each project, while the
//! [`MasterKeys`] hold the old one beside it. Content comes by the million and by the gigabyte, so a project's has one wrapped data key, the
//! [`ContentKey`], from which each value's and each blob's own cipher key is derived.
//!
//! May know: the kernel. Must never do: write a key or a plaintext to a log, an error or `Debug`;
//! answer anything but an error when a value is not exactly what was sealed for that place.

mod aad;
mod chunks;
mod cipher;
mod content_key;
mod derive;
mod error;
mod key_file;
mod master_key;
mod master_keys;
mod passphrase;
mod vault;

pub use aad::Aad;
pub use chunks::ChunkCipher;
pub use content_key::ContentKey;
pub use error::VaultError;
pub use master_key::{KeyId, MasterKey};
pub use master_keys::MasterKeys;
pub use passphrase::PassphraseCost;
pub use vault::Vault;
