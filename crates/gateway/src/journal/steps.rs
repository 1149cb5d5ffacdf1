//! The steps of the hand-over from the journal to the database. A test stops the process at each
//! of them and looks what is left.

use std::fmt;
use std::sync::Arc;

/// A step that was just taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// A record is in the file.
    Written,
    /// A new segment was begun.
    Turned,
    /// A batch was taken to be carried.
    Taken,
    /// The batch is in the database.
    Inserted,
    /// The new cursor is in a file beside the old one.
    CursorWritten,
    /// The new cursor is in the old one's place.
    CursorMoved,
    /// A segment that is carried whole was removed.
    Removed,
}

impl Step {
    /// All of them, in their order.
    pub const ALL: [Self; 7] = [
        Self::Written,
        Self::Turned,
        Self::Taken,
        Self::Inserted,
        Self::CursorWritten,
        Self::CursorMoved,
        Self::Removed,
    ];
}

/// Who is told of each step; nobody, as a rule.
#[derive(Clone, Default)]
pub struct Steps(Option<Arc<dyn Fn(Step) + Send + Sync>>);

impl Steps {
    /// Tells `of` of each step, on the way of the hand-over itself.
    pub fn told(of: impl Fn(Step) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(of)))
    }

    pub(super) fn take(&self, step: Step) {
        if let Some(told) = &self.0 {
            told(step);
        }
    }
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Steps(told)" } else { "Steps" })
    }
}
