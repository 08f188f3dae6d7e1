//! A Pebble daemon of its own for each test.

use std::fs::{File, Permissions};
use std::future::Future;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use harness::pebble::Which;
use synapse_operator::pebble::{Bulk, Client, Exec};
use tempfile::TempDir;

/// How long a test may take against one daemon.
const TEST: Duration = Duration::from_secs(60);

/// How the streams of a test's commands go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// All through the daemon.
    Daemon,
    /// The input through a named pipe.
    PipedInput,
    /// The output through a named pipe.
    PipedOutput,
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::Daemon, Self::PipedInput, Self::PipedOutput];

    /// A script whose streams go this way. Its `$0` is what names the bulk stream.
    pub(crate) fn sh(self, script: &str) -> Exec {
        let (redirect, bulk) = match self {
            Self::Daemon => ("", None),
            Self::PipedInput => ("[ \"$0\" = - ] || exec <\"$0\"\n", Some(Bulk::Input("-"))),
            Self::PipedOutput => ("[ \"$0\" = - ] || exec >\"$0\"\n", Some(Bulk::Output("-"))),
        };
        let exec = Exec::new(["sh", "-c", &format!("{redirect}{script}"), "-"]);
        match bulk {
            Some(bulk) => exec.bulk(bulk),
            None => exec,
        }
    }

    /// Makes sure that they do go this way.
    async fn check(self, client: &Client) {
        let look = "readlink /proc/$$/fd/0 /proc/$$/fd/1";
        let output = client.run(&self.sh(look), b"", 4096).await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let piped: Vec<bool> = text.lines().map(|line| line.contains("/bulk-")).collect();
        let expected = [self == Self::PipedInput, self == Self::PipedOutput];
        assert_eq!(piped, expected, "{self:?}: {text}");
    }
}

/// A running daemon and a directory for the test; killed on drop.
pub(crate) struct Daemon {
    program: PathBuf,
    home: Rc<TempDir>,
    child: Child,
    way: Way,
    client: Client,
}

impl Daemon {
    fn start(program: &Path, way: Way) -> Self {
        let home = tempfile::tempdir().unwrap();
        // Commands of other users have to come to the shared directory.
        for directory in [home.path(), &home.path().join("shared")] {
            std::fs::create_dir_all(directory).unwrap();
            std::fs::set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
        }
        let shared = home.path().join("shared");
        let client = Client::new(home.path().join("pebble/.pebble.socket"))
            .sharing(&shared, shared.to_str().unwrap());
        let child = spawn(program, home.path());
        let daemon = Self {
            program: program.to_owned(),
            home: Rc::new(home),
            child,
            way,
            client,
        };
        daemon.wait_until_up();
        daemon
    }

    /// A client of it, the same for the whole test.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// A script whose streams go as this test wants it.
    pub(crate) fn sh(&self, script: &str) -> Exec {
        self.way.sh(script)
    }

    /// How they go.
    pub(crate) fn way(&self) -> Way {
        self.way
    }

    /// What lies in the directory that is shared.
    pub(crate) fn shared(&self) -> Vec<String> {
        entries(&self.home.path().join("shared"))
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
    on_these(&[Way::Daemon], test);
}

/// The same, with the streams of its commands going each way that there is.
pub(crate) fn on_each_way<T, F>(test: T)
where
    T: Fn(Daemon) -> F,
    F: Future<Output = ()>,
{
    on_these(&Way::ALL, test);
}

/// The same, with these ways. Nothing may be left in the shared directory.
pub(crate) fn on_these<T, F>(ways: &[Way], test: T)
where
    T: Fn(Daemon) -> F,
    F: Future<Output = ()>,
{
    for program in programs() {
        for way in ways {
            eprintln!("against {program}, {way:?}");
            let daemon = Daemon::start(program.path(), *way);
            let home = Rc::clone(&daemon.home);
            block_on(async {
                way.check(&daemon.client).await;
                test(daemon).await;
            });
            let left = entries(&home.path().join("shared"));
            assert_eq!(left, Vec::<String>::new(), "{way:?}");
        }
    }
}

fn entries(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let name = |entry: std::fs::DirEntry| entry.file_name().into_string().unwrap();
    entries.map(|entry| name(entry.unwrap())).collect()
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
