//! A Pebble daemon of its own for each test.

use std::fs::File;
use std::future::Future;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use harness::pebble::Which;
use synapse_operator::pebble::Client;
use tempfile::TempDir;

/// How long a test may take against one daemon.
const TEST: Duration = Duration::from_secs(60);

/// A running daemon and a directory for the test; killed on drop.
pub(crate) struct Daemon {
    program: PathBuf,
    home: TempDir,
    child: Child,
}

impl Daemon {
    fn start(program: &Path) -> Self {
        let home = tempfile::tempdir().unwrap();
        let child = spawn(program, home.path());
        let daemon = Self {
            program: program.to_owned(),
            home,
            child,
        };
        daemon.wait_until_up();
        daemon
    }

    /// A client of it.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.socket())
    }

    /// The path of something in the test's directory.
    pub(crate) fn path(&self, name: &str) -> String {
        self.home.path().join(name).to_str().unwrap().to_owned()
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again in the same place.
    pub(crate) fn start_again(&mut self) {
        self.child = spawn(&self.program, self.home.path());
        self.wait_until_up();
    }

    fn socket(&self) -> PathBuf {
        self.home.path().join("pebble/.pebble.socket")
    }

    fn wait_until_up(&self) {
        let log = self.path("log");
        until(
            "the daemon answers",
            || UnixStream::connect(self.socket()).is_ok(),
            || std::fs::read_to_string(&log).unwrap_or_default(),
        );
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(program: &Path, home: &Path) -> Child {
    let log = File::create(home.join("log")).unwrap();
    Command::new(program)
        .args(["run", "--create-dirs", "--hold"])
        .env("PEBBLE", home.join("pebble"))
        .env_remove("PEBBLE_SOCKET")
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()))
}

/// Runs a test against each daemon that is there, one after the other, and says which.
pub(crate) fn on_each<T, F>(test: T)
where
    T: Fn(Daemon) -> F,
    F: Future<Output = ()>,
{
    for program in programs() {
        eprintln!("against {program}");
        let daemon = Daemon::start(program.path());
        block_on(test(daemon));
    }
}

/// Runs a test on the kind of runtime that the charm has.
pub(crate) fn block_on<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime
        .block_on(async { tokio::time::timeout(TEST, test).await })
        .unwrap_or_else(|_| panic!("the test took more than {} s", TEST.as_secs()))
}

/// The Pebble of this machine, if there is one, and the stand-in.
fn programs() -> Vec<Which> {
    let mut programs = vec![Which::stand_in().unwrap()];
    let found = harness::pebble::Daemon::find().unwrap();
    if !programs.contains(&found) {
        programs.insert(0, found);
    }
    programs
}

/// Waits for a condition; `status` says what there was instead.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool, status: impl Fn() -> String) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(
            Instant::now() < deadline,
            "waited in vain until {what}; {}",
            status()
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The same where other tasks must go on meanwhile.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition().await {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
