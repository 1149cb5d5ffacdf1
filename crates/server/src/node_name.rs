//! The name that a node goes by among the nodes on one database. A data directory keeps it, and a
//! copy of the directory, such as a machine's image or `cp -r` for a second node, has it too. Two
//! nodes of one name would count as one, and each would take what the other has leased for that of
//! an earlier process of its own.
//!
//! The database therefore keeps in which place a name was last gone by. What is called so in the same
//! place was the process before this one, which is over: this one has the directory's lock. In any
//! other place it may be alive.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use kernel::{Clock, Rng, Timestamp};
use store::{LEASE_LASTS, LeaseHolder, Store};

use crate::cli::Failed;
use crate::data_dir::DataDir;

/// The name that this data directory's node goes by from now on: its own, or a new one where another
/// node that may be alive has it. Where the database is in the directory, too, no claim is needed:
/// whoever has the lock is alone with both.
pub(crate) async fn claim(
    data_dir: &DataDir,
    store: &Store,
    clock: &dyn Clock,
    rng: &dyn Rng,
) -> Result<String, Failed> {
    let node = claim_in(&place(data_dir)?, data_dir, store, clock, rng).await?;
    // Heard of at once. The process goes on under a name of its own, and this one goes with those of
    // earlier processes.
    let holder = LeaseHolder { name: format!("{node}/start"), node: node.clone() };
    store.spend_renew(&holder).await?;
    Ok(node)
}

async fn claim_in(
    place: &str,
    data_dir: &DataDir,
    store: &Store,
    clock: &dyn Clock,
    rng: &dyn Rng,
) -> Result<String, Failed> {
    let now = clock.now();
    let name = data_dir.node_name(now, rng)?;
    let setting = format!("node.place.{name}");
    let last = store.setting_get(&setting).await?;
    if last.as_deref() == Some(place) {
        return Ok(name);
    }
    let heard_of = store.spend_heard_of(&name).await?;
    let seconds = |at: Timestamp| now.as_secs().saturating_sub(at.as_secs());
    // For as long, what it has leased is its own.
    let may_live = heard_of.map(seconds).filter(|ago| *ago < LEASE_LASTS.as_secs().cast_signed());
    let claimed = match (may_live, &last) {
        (Some(_), _) => false,
        // Of two that start at once, one has it.
        (None, Some(last)) => store.setting_swap(&setting, last, place).await?,
        (None, None) => store.setting_claim(&setting, place).await?,
    };
    if claimed {
        return Ok(name);
    }
    let new = data_dir.rename_node(now, rng)?;
    store.setting_put(&format!("node.place.{new}"), place).await?;
    tracing::warn!(
        data_dir = %data_dir.path().display(),
        before = %name,
        node = %new,
        heard_of_secs_ago = may_live.unwrap_or(0),
        "another node may be alive that goes by this data directory's name, so this node goes by a \
         new one from now on. If the directory is a copy of another node's: stop this node, and give \
         it an empty data directory with nothing but the master key. If its machine crashed or it \
         was moved: nothing is to be done; what the node had leased of budgets is free in ten minutes"
    );
    Ok(new)
}

/// Where this directory is: on which machine since it was started, on which disk, and where there.
fn place(data_dir: &DataDir) -> Result<String, Failed> {
    let path = data_dir.path();
    let folder = fs::metadata(path)?;
    // Only Linux has it; elsewhere the disk and the path must do.
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let boot = boot.trim();
    Ok(format!("{boot}/{:x}/{:x}{}", folder.dev(), folder.ino(), path.display()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kernel::SystemRng;
    use testkit::FakeClock;

    use super::*;

    struct Bench {
        store: Store,
        clock: Arc<FakeClock>,
        folder: tempfile::TempDir,
    }

    impl Bench {
        async fn new() -> Self {
            let clock = Arc::new(FakeClock::at(Timestamp::from_secs(1_800_000_000)));
            let store = Store::in_memory(clock.clone(), Arc::new(SystemRng)).await.unwrap();
            Self { store, clock, folder: tempfile::tempdir().unwrap() }
        }

        /// The directory `name`, with the node's name of directory `of`.
        fn copy(&self, of: &str, name: &str) {
            let (of, to) = (self.folder.path().join(of), self.folder.path().join(name));
            fs::create_dir_all(&to).unwrap();
            fs::copy(of.join("node.id"), to.join("node.id")).unwrap();
        }

        /// Starts a node in a directory.
        async fn start(&self, directory: &str) -> String {
            let data_dir = DataDir::open(&self.folder.path().join(directory)).unwrap();
            claim(&data_dir, &self.store, &*self.clock, &SystemRng).await.unwrap()
        }

        /// A process of a node says that it is alive.
        async fn live(&self, node: &str, process: u32) -> LeaseHolder {
            let holder = LeaseHolder { name: format!("{node}/{process}"), node: node.to_owned() };
            self.store.spend_renew(&holder).await.unwrap();
            holder
        }
    }

    #[tokio::test]
    async fn a_killed_node_starts_again_by_its_name() {
        let bench = Bench::new().await;
        let name = bench.start("one").await;
        bench.live(&name, 1).await;
        assert_eq!(bench.start("one").await, name, "the lock says that the first one is over");
    }

    #[tokio::test]
    async fn a_copy_of_a_living_nodes_directory_gets_a_name_of_its_own() {
        let bench = Bench::new().await;
        let one = bench.start("one").await;
        bench.live(&one, 1).await;
        bench.copy("one", "two");
        let two = bench.start("two").await;
        assert_ne!(two, one);
        // Its first act gives back what earlier processes of its name had leased.
        let holder = bench.live(&two, 2).await;
        bench.store.spend_reset(&holder).await.unwrap();
        assert!(bench.store.spend_heard_of(&one).await.unwrap().is_some(), "the first one's stay");
        assert_eq!(bench.start("two").await, two, "and keeps it");
        assert_eq!(bench.start("one").await, one);
    }

    #[tokio::test]
    async fn an_original_that_starts_after_its_copy_gets_a_new_name() {
        let bench = Bench::new().await;
        let name = bench.start("one").await;
        let holder = bench.live(&name, 1).await;
        bench.store.spend_reset(&holder).await.unwrap();
        bench.store.spend_leave(&holder).await.unwrap();
        bench.copy("one", "two");
        // The first one left, so the copy is taken for the node that was moved.
        assert_eq!(bench.start("two").await, name);
        assert_ne!(bench.start("one").await, name);
    }

    #[tokio::test]
    async fn a_node_that_was_moved_keeps_its_name_once_it_is_silent() {
        let bench = Bench::new().await;
        let name = bench.start("one").await;
        bench.live(&name, 1).await;
        bench.copy("one", "moved");
        bench.clock.advance(LEASE_LASTS);
        assert_eq!(bench.start("moved").await, name);
    }

    #[tokio::test]
    async fn a_machine_that_was_cloned_as_it_is_has_another_place() {
        let bench = Bench::new().await;
        let data_dir = DataDir::open(&bench.folder.path().join("one")).unwrap();
        let start = async |place: &str| {
            claim_in(place, &data_dir, &bench.store, &*bench.clock, &SystemRng).await.unwrap()
        };
        let name = start("boot-1/1/2/data").await;
        bench.live(&name, 1).await;
        assert_eq!(start("boot-1/1/2/data").await, name);
        assert_ne!(start("boot-2/1/2/data").await, name);
    }
}
