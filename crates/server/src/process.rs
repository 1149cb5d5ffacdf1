//! The process and what its operating system may do with it.

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

use crate::config::ServerConfig;

/// Sets the limits of this process. What the system does not allow is told and left as it is.
pub(crate) fn settle(config: &ServerConfig) {
    more_file_handles();
    if !config.core_dumps {
        forbid_core_dumps();
    }
}

/// The memory of a node holds keys and what it is just answering. Nobody may write it to the disk,
/// and no other process of the same account may read it.
fn forbid_core_dumps() {
    let nothing = Rlimit { current: Some(0), maximum: Some(0) };
    let limited = setrlimit(Resource::Core, nothing);
    // Where dumps go to a program, the limit alone does not count.
    let hidden = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    if let Err(error) = limited.and(hidden) {
        tracing::warn!(%error, "core dumps cannot be forbidden");
    }
}

/// A streamed call holds two handles, and many systems begin with 1,024.
fn more_file_handles() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    if limit.current != limit.maximum && setrlimit(Resource::Nofile, raised).is_err() {
        tracing::info!(limit = limit.current, "the limit of file handles could not be raised");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_memory_of_this_process_is_dumped() {
        forbid_core_dumps();
        assert_eq!(getrlimit(Resource::Core).current, Some(0));
        let behavior = rustix::process::dumpable_behavior().unwrap();
        assert_eq!(behavior, DumpableBehavior::NotDumpable);
    }

    #[test]
    fn there_are_as_many_file_handles_as_the_system_allows() {
        more_file_handles();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
