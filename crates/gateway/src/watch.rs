//! Who looks on while calls come and go: metrics, traces.

use std::fmt;

use kernel::{CallRecord, Operation};

use crate::Refusal;

/// Somebody who is told of every call. It is told on the call's own way, so it must be quick, and
/// it cannot change anything.
pub trait Watch: fmt::Debug + Send + Sync {
    /// An admitted call was settled. `traceparent` is the client's header of that name, if it sent
    /// one.
    fn settled(&self, record: &CallRecord, traceparent: Option<&str>);

    /// A call was not answered. If it had been admitted, [`Watch::settled`] is told of it, too.
    fn refused(&self, refusal: &Refusal, operation: Operation);
}
