//! One server with two pasts: what it was before, and what it is now, each saved.

use std::cell::Cell;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::plan;
use crate::deadline::{Deadline, Look};
use crate::demo::{self, Story};
use crate::forge::Forge;
use crate::matrix::{Diary, Homeserver, picture};
use crate::s3::Server;
use crate::small_volume::SmallVolume;
use crate::trap::{Recording, Trap, What};
use crate::world::{Content, World};

/// The unit that all of it happens to.
pub(super) const UNIT: &str = "synapse/0";

/// How long Synapse may take to answer.
const START: Duration = Duration::from_secs(60);

/// What may lie in the charm's private directory when nothing is under way: what is staged, what was replaced, and when the
/// bucket was swept.
const KNOWN: [&str; 3] = ["staging", "previous", "swept"];

/// A server, whose database, media and keys are wholly those of one side or wholly those of the other.
#[derive(Debug)]
pub struct Scene {
    pub(super) world: World,
    homeserver: Homeserver,
    /// What it was before, which the points restore.
    before: Side,
    /// What it is now, which each point begins with and ends with.
    after: Side,
    /// Which of them is live.
    live: Cell<Which>,
    /// The volume it lies on, when that has little room.
    pub(super) small: Option<SmallVolume>,
}

/// One of the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// What was saved first.
    Before,
    /// What was saved last, and was live then.
    After,
}

#[derive(Debug)]
struct Side {
    id: String,
    content: Content,
    diary: Diary,
}

impl Scene {
    /// Deploys it and lets it become what it is.
    pub fn deploy() -> Result<Self> {
        Self::on(World::new()?, None, None)
    }

    /// The same with backups of three volumes, the media in two of them.
    pub fn deploy_with_small_volumes() -> Result<Self> {
        Self::on(World::new()?, None, Some("backup_volume_size=3MiB"))
    }

    /// The same on a volume that can be filled up; `None` for an ordinary user, who can make none.
    pub fn deploy_on_a_small_volume() -> Result<Option<Self>> {
        let world = World::new()?;
        let data = world.directory_of_model().join("units/synapse-0/data");
        match SmallVolume::mount(&data, "a restore on a volume that is really full")? {
            Some(small) => Self::on(world, Some(small), None).map(Some),
            None => world.finish().map(|()| None),
        }
    }

    fn on(world: World, small: Option<SmallVolume>, small_volumes: Option<&str>) -> Result<Self> {
        let (homeserver, mut diary) = Story::inhabited(&world)?;
        if let Some(option) = small_volumes {
            world.juju(&["config", "synapse", option])?.success()?;
        }
        diary.open_room("Travel")?;
        diary.write("before")?;
        diary.post("sea.png", &picture(1))?;
        // Enough that a volume can be stopped in its middle.
        let session = diary.session();
        let large = if small_volumes.is_some() { 4 } else { 1 };
        for number in 0..large {
            let content = vec![7 + number; 1 << 20];
            session.upload("large.bin", "application/octet-stream", &content)?;
        }
        let before = Side::save(&world, &diary)?;

        diary.write("after")?;
        diary.post("hill.png", &picture(2))?;
        change_keys(&world.data(UNIT)?)?;
        let after = Side::save(&world, &diary)?;
        let difference = before.content.difference(&after.content);
        for needed in [".secret", ".signing.key", "local_content/", "events"] {
            ensure!(
                difference.iter().any(|name| name.contains(needed)),
                "both sides have the same {needed}: {difference:?}"
            );
        }
        Ok(Self {
            world,
            homeserver,
            before,
            after,
            live: Cell::new(Which::After),
            small,
        })
    }

    /// The world it lies in.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The S3 server.
    pub(super) fn store(&self) -> Result<&Server> {
        self.world.store().server()
    }

    fn side(&self, which: Which) -> &Side {
        match which {
            Which::Before => &self.before,
            Which::After => &self.after,
        }
    }

    pub(super) fn volume(&self) -> Result<&SmallVolume> {
        self.small.as_ref().context("the volume is not a small one")
    }

    /// The name of a side's backup.
    pub fn id(&self, which: Which) -> &str {
        &self.side(which).id
    }

    /// The directory of the bucket that holds the backups.
    pub fn shelf(&self) -> PathBuf {
        self.world.store().bucket().join(demo::SERVER)
    }

    /// A forger at work beside the server, with the backup of what was before in his hands.
    pub fn forge(&self) -> Result<Forge> {
        let home = self.world.path("forge");
        Forge::open(
            &home,
            &self.shelf(),
            self.id(Which::Before),
            demo::PASSPHRASE,
        )
    }

    /// The words that restore one of the sides.
    pub fn restore_words(&self, which: Which) -> [String; 2] {
        let id = &self.side(which).id;
        ["restore-backup".to_owned(), format!("backup-id={id}")]
    }

    /// Restores one of the sides with nothing in its way.
    pub fn restore(&self, which: Which) -> Result<()> {
        let words = self.restore_words(which);
        self.act(&[&words[0], &words[1]])?;
        self.live.set(which);
        let content = self.world.content(UNIT)?;
        let wanted = &self.side(which).content;
        ensure!(
            content == *wanted,
            "a good restore brought {content:?} and not {which:?}, {wanted:?}: {:?}",
            content.difference(wanted)
        );
        Ok(())
    }

    /// Runs an action that goes well.
    pub fn act(&self, words: &[&str]) -> Result<()> {
        let ended = self.world.act(UNIT, words)?;
        ended.success().with_context(|| words.join(" ")).map(drop)
    }

    /// Restores what was before with nothing in its way, and notes each call that changes what lies on the disk.
    pub fn record_restore(&self) -> Result<Recording> {
        self.world.trap(UNIT, &Trap::record())?;
        self.restore(Which::Before)?;
        self.world.recording(UNIT)
    }

    /// Notes the calls of another action.
    pub fn record(&self, words: &[&str]) -> Result<Recording> {
        self.world.trap(UNIT, &Trap::record())?;
        self.act(words)?;
        self.world.recording(UNIT)
    }

    /// Kills a restore in the middle of its swap, and notes the calls of the hook that mends what it finds.
    pub fn record_mending(&self, restore: &Recording) -> Result<Recording> {
        let middle = plan::middle(restore).context("nothing is swapped in this recording")?;
        self.world.trap(UNIT, &middle.trap(What::Kill))?;
        let words = self.restore_words(Which::Before);
        let task = self.world.begin(UNIT, &[&words[0], &words[1]])?;
        let trapped = self.world.trapped(UNIT)?;
        trapped.context("the restore was never in the middle of its swap")?;
        let _ = self.world.wait_for_task(task)?.failure()?;
        self.world.trap(UNIT, &Trap::record())?;
        self.hook("update-status")?;
        let recording = self.world.recording(UNIT)?;
        self.is_whole()?;
        self.restore(Which::After)?;
        Ok(recording)
    }

    /// What holds whatever happened: the server is wholly the one or wholly the other, it runs, and nothing lies about.
    ///
    /// Tells which of the two it is.
    pub fn is_whole(&self) -> Result<Which> {
        self.homeserver.wait_healthy(START)?;
        self.wait_active()?;
        let content = self.world.content(UNIT)?;
        let which = match &content {
            content if *content == self.before.content => Which::Before,
            content if *content == self.after.content => Which::After,
            content => bail!(
                "the data is neither what it was before ({:?}) nor what it was after ({:?}) but {content:?}",
                content.difference(&self.before.content),
                content.difference(&self.after.content)
            ),
        };
        self.live.set(which);
        // The session is older than both. Asking for the messages writes nothing.
        let token = self.side(which).diary.session().token();
        self.homeserver
            .resume(token)
            .context("anna's session is lost")?;
        self.nothing_lies_about()?;
        Ok(which)
    }

    /// Waits for an active status, as an admin does: it is looked after by hooks that Juju sends every few minutes.
    fn wait_active(&self) -> Result<()> {
        Deadline::after(START).wait_for("an active status", || {
            let status = self.world.status(UNIT)?;
            if status == "active" || status.starts_with("active: ") {
                return Ok(Look::Done(()));
            }
            self.hook("update-status")?;
            Ok(Look::NotYet(status))
        })
    }

    /// Lets Juju send a hook.
    pub(super) fn hook(&self, name: &str) -> Result<()> {
        let sent = self.world.juju(&["lever", "hook", UNIT, name])?;
        sent.success().map(drop)
    }

    /// In the charm's private directory lies nothing of an unfinished restore, and no key or secret in an unknown place.
    fn nothing_lies_about(&self) -> Result<()> {
        let data = self.world.data(UNIT)?;
        let private = data.join(".synapse-operator");
        for name in names(&private)? {
            ensure!(
                KNOWN.contains(&name.as_str()),
                "{name} lies in .synapse-operator; there are {:?}",
                names(&private)?
            );
        }
        let mut open = vec![data.clone()];
        while let Some(directory) = open.pop() {
            for name in names(&directory)? {
                let path = directory.join(&name);
                let facts = match path.symlink_metadata() {
                    Ok(facts) => facts,
                    // Synapse's own files come and go.
                    Err(_) => continue,
                };
                let secret = name.ends_with(".secret") || name.ends_with(".signing.key");
                if facts.is_dir() {
                    open.push(path);
                } else if secret {
                    ensure!(
                        is_home(&data, &directory),
                        "{} is a secret in an unknown place",
                        path.display()
                    );
                }
            }
        }
        Ok(())
    }

    /// Anna finds all she was promised on the side that is live; she logs in anew for it.
    pub fn check_diary(&self) -> Result<()> {
        self.side(self.live.get()).diary.check(&self.homeserver)
    }

    /// Ends it and leaves nothing behind.
    pub fn finish(self) -> Result<()> {
        self.world.pod(UNIT)?.kill_all()?;
        drop(self.small);
        self.world.finish()
    }
}

impl Side {
    fn save(world: &World, diary: &Diary) -> Result<Self> {
        let created = world.act(UNIT, &["create-backup"])?.success()?;
        let id = created["backup-id"].as_str().unwrap_or_default().to_owned();
        Ok(Self {
            id,
            content: world.content(UNIT)?,
            diary: diary.clone(),
        })
    }
}

/// Whether secrets may lie in a directory: where they are used, where they are staged, where they were put aside.
fn is_home(data: &Path, directory: &Path) -> bool {
    let Ok(below) = directory.strip_prefix(data) else {
        return false;
    };
    let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
    let parts: Vec<&str> = parts.iter().map(|part| part.as_ref()).collect();
    matches!(
        parts[..],
        [] | [".synapse-operator", "staging", ..] | [".synapse-operator", "previous", _, "data"]
    )
}

fn names(directory: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(error).with_context(|| format!("failed to list {}", directory.display()));
        }
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Gives the server another signing key and another secret, as an admin does who replaces them.
fn change_keys(data: &Path) -> Result<()> {
    let mut seed = [0; 32];
    fs::File::open("/dev/urandom")?.read_exact(&mut seed)?;
    let seed = STANDARD_NO_PAD.encode(seed);
    let mut changed = 0;
    for name in names(data)? {
        let text = match name.as_str() {
            "form.secret" => format!("{seed}\n"),
            name if name.ends_with(".signing.key") => format!("ed25519 a_later {seed}\n"),
            _ => continue,
        };
        // Into the file that is there, which keeps its owner and mode.
        fs::write(data.join(&name), text)?;
        changed += 1;
    }
    ensure!(changed == 2, "{changed} files of keys and secrets");
    Ok(())
}
