//! What is past its time is deleted, and the deletion is proven.
//!
//! ```text
//! what is past its time -> written down -> rows -> blobs -> all of it looked for -> proven
//! ```
//!
//! A [`Sweeper`] does this for every project, on one node at a time. What was written down and not
//! proven, because a node died or a blob store did not answer, is taken up again by the next sweep.
//! [`settings`] are the rules of how long content is kept.
//!
//! May know: the store and the blob store. Must never do: delete before a row's time, or say that
//! something is gone without having looked.

mod deletion;
pub mod settings;
mod sweep;
mod sweeper;
mod turn;

pub use sweep::Swept;
pub use sweeper::{Parts, RetentionConfig, Sweeper};
