//! A data directory, a Pebble that reads and unpacks it, and a store: all that backups need, and no server around it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::pebble::Daemon;
use harness::s3::{Options, Server};
use jiff::Timestamp;
use synapse_operator::backup::{
    BackupId, Catalogue, Creation, Findings, Group, Holder, Label, Lease, Monitor, Origin, Place,
    Restoration, Scope, Sealed, Service, Source, SourceRoot, Standing, Swapped, Tally, Terms,
    Verification, create, restore,
};
use synapse_operator::openpgp::Passphrase;
use synapse_operator::pebble::Client;
use synapse_operator::s3::{Bucket, Limits, Params, Proxy, S3Error};
use tempfile::TempDir;

use super::noise;

/// How long one verb may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(120);
/// What of the data directory is saved.
const PART: &str = "media";
/// What a restore has to take away.
const LATER: &str = "media/later";
const FIRST: i64 = 1_795_262_640;

/// What an operator does with backups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Create,
    List,
    Restore,
    Verify,
    Delete,
}

/// A data directory with a store beside it.
pub(super) struct Scene {
    pub(super) server: Server,
    home: TempDir,
    _daemon: Daemon,
    client: Client,
    keys: Vec<Arc<Passphrase>>,
    saved: BTreeMap<PathBuf, Vec<u8>>,
    next: Cell<i64>,
}

/// What came of a verb: nothing, or what an operator is told.
pub(super) type Outcome = Result<(), String>;

fn now() -> Timestamp {
    Timestamp::now()
}

/// Production's numbers of attempts with a test's pauses.
fn limits() -> Limits {
    Limits {
        head: Duration::from_secs(5),
        control: Duration::from_secs(5),
        silence: Duration::from_secs(2),
        complete: Duration::from_secs(5),
        control_attempts: 3,
        part_attempts: 3,
        first_pause: Duration::from_millis(2),
        longest_pause: Duration::from_millis(10),
        fruitless: Duration::from_secs(3),
        ..Limits::default()
    }
}

impl Scene {
    /// A data directory with a file of so many bytes, and one small one.
    pub(super) fn new(bytes: usize) -> Self {
        Self::with(Server::start(Options::default()).unwrap(), bytes)
    }

    /// The same beside another server.
    pub(super) fn with(server: Server, bytes: usize) -> Self {
        let home = tempfile::tempdir().unwrap();
        let media = home.path().join("data").join(PART);
        fs::create_dir_all(&media).unwrap();
        fs::write(media.join("large"), noise(bytes)).unwrap();
        fs::write(media.join("small"), "small\n").unwrap();
        let daemon = Daemon::start(&Daemon::find().unwrap(), home.path().join("pebble")).unwrap();
        let client = Client::new(home.path().join("pebble/.pebble.socket"));
        let passphrase = Passphrase::parse(&"the passphrase of this test".into()).unwrap();
        let saved = content(&home.path().join("data"));
        Self {
            server,
            home,
            _daemon: daemon,
            client,
            keys: vec![Arc::new(passphrase)],
            saved,
            next: Cell::new(FIRST),
        }
    }

    fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// The catalogue, as a process that has just begun has it.
    fn catalogue(&self) -> (Catalogue, Bucket) {
        let databag = self.server.relation_data();
        let params = Params::parse(&databag).unwrap();
        let bucket = Bucket::open(&params, &Proxy::default(), limits());
        (Catalogue::new(bucket.clone()), bucket)
    }

    fn place(&self) -> Place {
        let owner = fs::metadata(self.data()).unwrap();
        Place {
            here: self.data(),
            there: self.data().display().to_string(),
            private: ".private",
            user_id: std::os::unix::fs::MetadataExt::uid(&owner),
            group_id: std::os::unix::fs::MetadataExt::gid(&owner),
            staging: "staging",
            replaced: |root, _| replaced(root),
            permitted: |path, _| path.starts_with(PART),
            service: "server".to_owned(),
        }
    }

    /// A name that no other backup of this scene has.
    pub(super) fn fresh(&self) -> BackupId {
        self.next.set(self.next.get() + 1);
        BackupId::at(Timestamp::from_second(self.next.get()).unwrap())
    }

    /// Does what a verb means, with a backup of this name, within the time that there is.
    pub(super) async fn act(&self, verb: Verb, id: &BackupId) -> Outcome {
        let begun = Instant::now();
        let work = async {
            match verb {
                Verb::Create => self.create(id).await,
                Verb::List => self.list(id).await,
                Verb::Restore => self.restore(id).await,
                Verb::Verify => self.verify(id).await,
                Verb::Delete => self.delete(id).await,
            }
        };
        let ended = tokio::time::timeout(PATIENCE, work).await;
        let _ = fs::remove_file(self.data().join(LATER));
        let outcome = ended.unwrap_or_else(|_| Err(format!("HANGS for {PATIENCE:?}")));
        eprintln!("    {verb:?} {:?}: {outcome:?}", begun.elapsed());
        outcome
    }

    async fn held<T, E: Error + 'static>(
        &self,
        task: &'static str,
        work: impl AsyncFnOnce(&Catalogue) -> Result<T, E>,
    ) -> Result<T, String> {
        let (catalogue, bucket) = self.catalogue();
        let told = |error: &(dyn Error + 'static)| told(error, &bucket);
        catalogue.probe().await.map_err(|error| told(&error))?;
        let holder = Holder {
            unit: "synapse/0".to_owned(),
            model: "a-model".to_owned(),
            model_name: "model".to_owned(),
        };
        let random = |bytes: &mut [u8]| {
            bytes.fill(7);
            Ok(())
        };
        let terms = Terms {
            settles: Duration::from_secs(2),
            ..Terms::default()
        };
        let taken = Lease::take(&catalogue, holder, task, terms, random, now).await;
        let mut lease = taken.map_err(|error| told(&error))?;
        let outcome = lease.while_held(work(&catalogue)).await;
        lease.release().await;
        outcome.map_err(|error| told(&error))
    }

    async fn create(&self, id: &BackupId) -> Outcome {
        let passphrase = &self.keys[0];
        let tally = Tally {
            members: self.saved.len() as u64,
            content: self.saved.values().map(|bytes| bytes.len() as u64).sum(),
        };
        let there = self.data().display().to_string();
        let source = Source {
            groups: vec![Group {
                roots: vec![SourceRoot {
                    directory: "/".to_owned(),
                    paths: vec![format!("{}/{PART}", there.trim_start_matches('/'))],
                }],
                tally,
            }],
            exclude: Vec::new(),
            user_id: self.place().user_id,
            group_id: self.place().group_id,
            component: |_| PART,
        };
        let origin = Origin {
            server_name: "synapse.example".to_owned(),
            charm_version: "0".to_owned(),
            synapse_version: None,
            model: None,
            unit: None,
            said: Label::default(),
            database: None,
            snapshot: None,
            places: scope(),
        };
        let work = async |catalogue: &Catalogue| {
            let creation = Creation {
                client: &self.client,
                catalogue,
                passphrase,
                id,
                started: now(),
                source: &source,
                origin: &origin,
                volume_size: 1 << 30,
                watcher: Arc::new(|_| Ok(())),
                log: &|| b"log".to_vec(),
            };
            let conclude = async |_| Findings::default();
            create(&creation, conclude, now, &Monitor::new().0).await
        };
        self.held("create-backup", work).await.map(drop)
    }

    /// Lists, and demands that the backup is shown as finished.
    async fn list(&self, id: &BackupId) -> Outcome {
        let (catalogue, bucket) = self.catalogue();
        let listed = catalogue.list(now()).await;
        let listed = listed.map_err(|error| told(&error, &bucket))?;
        let found = listed.iter().find(|listed| listed.id == *id);
        match found.map(|listed| &listed.standing) {
            Some(Standing::Finished) => Ok(()),
            Some(other) => Err(format!("LISTED as {other:?}")),
            None => Err("NOT LISTED".to_owned()),
        }
    }

    async fn restore(&self, id: &BackupId) -> Outcome {
        fs::write(self.data().join(LATER), "later").unwrap();
        let before = content(&self.data());
        let place = self.place();
        let service = Service {
            fix_up: async |_: &Swapped| Ok(Vec::new()),
            bring_up: async || Ok(()),
        };
        let work = async |catalogue: &Catalogue| {
            let sealed = Sealed::open(catalogue, &self.keys, id).await?;
            let restoration = Restoration {
                client: &self.client,
                catalogue,
                passphrases: &self.keys,
                place: &place,
                monitor: &Monitor::new().0,
            };
            restore(&restoration, sealed, &service, now).await
        };
        let outcome = self.held("restore-backup", work).await.map(drop);
        let wanted = match outcome {
            Ok(()) => &self.saved,
            Err(_) => &before,
        };

        assert!(
            content(&self.data()) == *wanted,
            "{outcome:?} and other data"
        );
        outcome
    }

    async fn verify(&self, id: &BackupId) -> Outcome {
        let scratch = Place {
            staging: "scratch",
            ..self.place()
        };
        let work = async |catalogue: &Catalogue| {
            let sealed = Sealed::open(catalogue, &self.keys, id).await?;
            let verification = Verification {
                client: &self.client,
                catalogue,
                passphrases: &self.keys,
                place: &scratch,
                looked_into: None,
                monitor: &Monitor::new().0,
            };
            let look = async |_: &str| Ok(());
            let mut findings = verification.full(&sealed, look).await;
            match findings.is_empty() {
                true => Ok(()),
                false => Err(findings.swap_remove(0)),
            }
        };
        self.held("verify-backup", work).await
    }

    async fn delete(&self, id: &BackupId) -> Outcome {
        let work = async |catalogue: &Catalogue| catalogue.delete(id).await;
        self.held("delete-backup", work).await?;
        match self.objects(id).as_slice() {
            [] => Ok(()),
            left => Err(format!("DELETED, and {} are left", left.join(", "))),
        }
    }

    /// The objects of a backup that lie in the bucket, by the store's own files.
    pub(super) fn objects(&self, id: &BackupId) -> Vec<String> {
        let folder = self.server.directory().join("demo").join(id.as_str());
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// What lies beside the backups, and should not.
    pub(super) fn litter(&self) -> Vec<String> {
        let mut litter: Vec<String> = ["lease.json", "uploads"]
            .into_iter()
            .filter(|name| self.server.directory().join("demo").join(name).exists())
            .map(str::to_owned)
            .collect();
        match self.server.open_uploads() {
            0 => (),
            _ => litter.push("open uploads".to_owned()),
        }
        litter
    }

    /// Takes away what a rule has left, whatever that is.
    pub(super) fn tidy(&self, keep: &BackupId) {
        self.server.forget_uploads();
        let bucket = self.server.directory().join("demo");
        for entry in fs::read_dir(&bucket).unwrap().flatten() {
            let name = entry.file_name();
            if name.to_string_lossy() == keep.as_str() {
                continue;
            }
            match entry.path().is_dir() {
                true => fs::remove_dir_all(entry.path()).unwrap(),
                false => fs::remove_file(entry.path()).unwrap(),
            }
        }
    }
}

fn scope() -> Scope {
    [PART.to_owned()].into_iter().collect()
}

fn replaced(root: &Path) -> io::Result<Vec<PathBuf>> {
    let part = root.join(PART);
    Ok(part
        .exists()
        .then(|| PathBuf::from(PART))
        .into_iter()
        .collect())
}

/// An error as an operator meets it: its chain on one line, what can be done, and what the bucket has learnt.
fn told(error: &(dyn Error + 'static), _: &Bucket) -> String {
    let mut text = error.to_string();
    let mut hint = error.downcast_ref::<S3Error>().map(S3Error::hint);
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        hint = error.downcast_ref::<S3Error>().map(S3Error::hint).or(hint);
        cause = error.source();
    }
    match hint {
        Some(hint) => format!("{text} -> {hint}"),
        None => text,
    }
}

/// The files of a data directory, but for the private ones.
fn content(data: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(data.join(PART)).unwrap();
    let read = |path: PathBuf| (path.clone(), fs::read(path).unwrap());
    entries.map(|entry| read(entry.unwrap().path())).collect()
}
