//! Every kind of place, fresh for each test.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use admission::shared::{Ask, Shared};
use admission::{SharedSecret, Sharing, SharingConfig};
use counters::CountersConfig;
use kernel::{SystemClock, SystemRng, Timestamp, id};
use store::{Store, StoreConfig};
use tempfile::TempDir;
use tokio::time::sleep;
use vault::{MasterKey, Vault};

use crate::memory::Memory;

/// After this time a node that says nothing is thought dead.
pub(crate) const LIVES: Duration = Duration::from_secs(3);

/// What all nodes of a test make the names of counters with.
pub(crate) const SECRET: [u8; 32] = [7; 32];

/// Runs each test once per kind of place. The one in memory is by tokio's clock, which jumps.
macro_rules! counters_suite {
    ($($test:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test(start_paused = true)]
            async fn $test() {
                super::$test(&$crate::bench::Bench::memory()).await;
            })*
        }

        mod valkey {
            $(#[tokio::test]
            async fn $test() {
                if let Some(bench) = $crate::bench::Bench::valkey().await {
                    super::$test(&bench).await;
                }
            })*
        }

        mod postgres {
            $(#[tokio::test]
            async fn $test() {
                if let Some(bench) = $crate::bench::Bench::postgres().await {
                    super::$test(&bench).await;
                    bench.remove().await;
                }
            })*
        }
    };
}
pub(crate) use counters_suite;

/// A place.
pub(crate) struct Bench {
    kind: Kind,
}

enum Kind {
    /// Without a store: its patience would end where tokio's clock jumps.
    Memory(Memory),
    Valkey(Server, Store),
    Postgres {
        server: String,
        url: String,
        store: Store,
    },
}

impl Bench {
    pub(crate) fn memory() -> Self {
        Self { kind: Kind::Memory(Memory::new(LIVES)) }
    }

    /// `None`, with a line that says so, where there is no program to start.
    pub(crate) async fn valkey() -> Option<Self> {
        let server = Server::start().await?;
        Some(Self { kind: Kind::Valkey(server, store_in_memory().await) })
    }

    /// `None`, with a line that says so, where there is no PostgreSQL to test on.
    pub(crate) async fn postgres() -> Option<Self> {
        #[expect(clippy::disallowed_methods, reason = "a test is told its server from outside")]
        let Ok(server) = std::env::var("TEST_POSTGRES_URL") else {
            println!("skipped: TEST_POSTGRES_URL names no PostgreSQL server");
            return None;
        };
        let name = id::time_ordered("kijun_test_", Timestamp::default(), &SystemRng);
        execute(&server, &format!("CREATE DATABASE {name}"));
        let (host, _) = server.rsplit_once('/').expect("a URL with a database");
        let url = format!("{host}/{name}");
        let config = StoreConfig { url: url.clone(), max_connections: 8 };
        let vault = Vault::new(&MasterKey::generate(&SystemRng), Arc::new(SystemRng)).unwrap();
        let (vault, clock, rng) = (Arc::new(vault), Arc::new(SystemClock), Arc::new(SystemRng));
        let store = Store::open(config, vault, clock, rng).await.unwrap();
        Some(Self { kind: Kind::Postgres { server, url, store } })
    }

    /// What a node of this name counts with.
    pub(crate) fn sharing(&self, node: &str) -> Sharing {
        match &self.kind {
            Kind::Memory(memory) => sharing(memory.connect(node)),
            Kind::Valkey(server, store) => open(store, node, &server.url()),
            Kind::Postgres { store, .. } => open(store, node, "database"),
        }
    }

    pub(crate) fn place(&self, node: &str) -> Arc<dyn Shared> {
        self.sharing(node).place
    }

    /// The place forgets everything.
    pub(crate) async fn flush(&self) {
        match &self.kind {
            Kind::Memory(memory) => memory.flush(),
            Kind::Valkey(server, _) => server.flush().await,
            Kind::Postgres { url, .. } => {
                let url = url.clone();
                // Nodes go on meanwhile.
                let forget = move || execute(&url, "TRUNCATE shared_counter, shared_place");
                tokio::task::spawn_blocking(forget).await.unwrap();
            }
        }
    }

    /// Removes the database from its server.
    pub(crate) async fn remove(self) {
        if let Kind::Postgres { server, url, store } = &self.kind {
            store.close().await;
            let (_, name) = url.rsplit_once('/').expect("a URL with a database");
            execute(server, &format!("DROP DATABASE {name} WITH (FORCE)"));
        }
    }
}

pub(crate) async fn store_in_memory() -> Store {
    Store::in_memory(Arc::new(SystemClock), Arc::new(SystemRng)).await.unwrap()
}

/// What a node counts with at this place. A machine that tests has other things to do, too, so
/// calls are patient.
pub(crate) fn open(store: &Store, node: &str, place: &str) -> Sharing {
    let config = CountersConfig {
        place: place.to_owned().into(),
        patience_ms: 2_000,
        heartbeat_secs: LIVES.as_secs() / 3,
        ..CountersConfig::default()
    };
    counters::open(&config, store, node, &SECRET).unwrap().unwrap()
}

/// What a node counts with by this connection.
pub(crate) fn sharing(place: Arc<dyn Shared>) -> Sharing {
    let config = SharingConfig {
        patience: Duration::from_millis(50),
        heartbeat: LIVES / 3,
        share_when_lost_percent: 100,
        expected_nodes: 1,
    };
    Sharing { place, secret: SharedSecret::new(&SECRET), config }
}

/// A server of Valkey's kind, of our own, on this machine.
pub(crate) struct Server {
    program: PathBuf,
    port: u16,
    folder: TempDir,
    process: Child,
}

impl Server {
    /// `None`, with a line that says so, where there is no program to start.
    pub(crate) async fn start() -> Option<Self> {
        let names = ["valkey-server", "redis-server"];
        let has = |name: &&str| Command::new(name).arg("--version").output().is_ok();
        let Some(name) = names.into_iter().find(has) else {
            println!("skipped: there is neither valkey-server nor redis-server");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let process = run(&name.into(), port, &folder);
        let server = Self { program: name.into(), port, folder, process };
        server.answers().await;
        Some(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Kills the server: what it counted is gone.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again.
    pub(crate) async fn start_again(&mut self) {
        self.process = run(&self.program, self.port, &self.folder);
        self.answers().await;
    }

    /// Stops the server in the middle of what it does, without a word, or lets it go on.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.process.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    pub(crate) async fn flush(&self) {
        let client = redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let () = redis::cmd("FLUSHALL").query_async(&mut connection).await.unwrap();
    }

    async fn answers(&self) {
        let place = open(&store_in_memory().await, "bench", &self.url()).place;
        let nothing: &[Ask] = &[];
        for _ in 0..500 {
            if place.ask(nothing).await.is_ok() {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("the server did not start");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn run(program: &PathBuf, port: u16, folder: &TempDir) -> Child {
    Command::new(program)
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"])
        .arg(port.to_string())
        .arg("--dir")
        .arg(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Statements by PostgreSQL's own client: SQL from Rust is the store's alone.
fn execute(url: &str, sql: &str) {
    let output = Command::new("psql")
        .args([
            "--quiet",
            "--no-psqlrc",
            "--set=ON_ERROR_STOP=1",
            "--dbname",
            url,
            "--command",
            sql,
        ])
        .output()
        .expect("tests on PostgreSQL need its client psql");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
