//! The story that the demo tells and the suite checks: a server is deployed, used, backed up, lost, and brought back.
//!
//! Every step is typed as at a real controller and checked for what it must show; the first that does not ends the story.

mod recovery;
mod upkeep;

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use self::recovery::Recovery;
use crate::matrix::{Diary, Homeserver, picture};
use crate::parts;
use crate::pebble::Daemon;
use crate::pod;
use crate::world::World;

const UNIT: &str = "synapse/0";
/// The server of the story.
pub(crate) const SERVER: &str = "demo.example";
/// What its backups are sealed with.
pub(crate) const PASSPHRASE: &str = "correct horse battery staple";

/// How long Synapse may take to answer.
const START: Duration = Duration::from_secs(60);

/// The story in a world, step by step.
#[derive(Debug)]
pub struct Story<'a> {
    world: &'a World,
    tell: fn(&str),
}

impl<'a> Story<'a> {
    /// A story that happens in this world; `tell` is given its headings.
    pub fn new(world: &'a World, tell: fn(&str)) -> Self {
        Self { world, tell }
    }

    /// Tells it all.
    pub fn run(&self) -> Result<()> {
        self.deploy()?;
        self.connect()?;
        self.check_the_store()?;
        let homeserver = self.world.homeserver(UNIT)?;
        let (diary, id) = self.begin(&homeserver)?;
        self.verify(&id)?;
        self.show(&id)?;
        self.look_into_the_bucket(&id)?;
        self.recover_by_hand(&id)?;
        self.lose_everything(&homeserver, &diary)?;
        self.mistype_the_passphrase(&homeserver, &id)?;
        let diary = self.restore(&homeserver, &diary, &id)?;
        self.restore_by_mistake(&homeserver, &diary, &id)?;
        self.prune()?;
        self.delete(&id)
    }

    /// Deploys a server and starts it.
    pub fn deploy(&self) -> Result<()> {
        parts::charm_archive()?;
        self.head("Deploy a Matrix homeserver");
        self.juju(&["add-model", "demo"])?;
        let image = "synapse-image=matrixdotorg/synapse:v1.163.2";
        self.juju(&[
            "deploy",
            "./target/charm/synapse.charm",
            "--resource",
            image,
        ])?;
        self.world
            .wait_for_status(UNIT, "blocked", "set server_name")?;
        let status = self.juju(&["status"])?;
        expect(&status, "juju config synapse server_name=")?;
        self.juju(&["config", "synapse", &format!("server_name={SERVER}")])?;
        self.world.wait_for_status(UNIT, "active", "")?;
        self.world.homeserver(UNIT)?.wait_healthy(START)?;
        self.juju(&["status"])?;
        Ok(())
    }

    /// Tells the charm where backups go, and the passphrase.
    pub fn connect(&self) -> Result<()> {
        self.head("Tell it where backups go");
        let store = self.world.store();
        self.juju(&["deploy", "s3-integrator"])?;
        let endpoint = format!("endpoint={}", store.fact("endpoint"));
        let bucket = format!("bucket={}", store.fact("bucket"));
        self.juju(&[
            "config",
            "s3-integrator",
            &endpoint,
            &bucket,
            &format!("path={SERVER}"),
            "s3-uri-style=path",
        ])?;
        let access = format!("access-key={}", store.fact("access-key"));
        let secret = format!("secret-key={}", store.fact("secret-key"));
        self.juju(&[
            "run",
            "s3-integrator/leader",
            "sync-s3-credentials",
            &access,
            &secret,
        ])?;
        self.juju(&["integrate", "synapse:backup", "s3-integrator"])?;
        self.juju(&[
            "config",
            "synapse",
            &format!("backup_passphrase={PASSPHRASE}"),
        ])?;
        self.world.wait_for_status(UNIT, "active", "")?;
        self.juju(&["status", "--relations"])?;
        Ok(())
    }

    /// Deploys and connects a server in this world without a word, with a user who has written nothing yet.
    pub fn inhabited(world: &'a World) -> Result<(Homeserver, Diary)> {
        let story = Self::new(world, |_| ());
        story.deploy()?;
        story.connect()?;
        let registered = world.act(UNIT, &["register-user", "username=anna"])?;
        let registered = registered.success()?;
        let password = registered["user-password"]
            .as_str()
            .context("a user without a password")?;
        let homeserver = world.homeserver(UNIT)?;
        let diary = Diary::begin(&homeserver, "anna", password)?;
        Ok((homeserver, diary))
    }

    fn check_the_store(&self) -> Result<()> {
        self.head("Is the store fit for backups?");
        let answer = self.juju(&["run", UNIT, "check-backup-storage", "size=8MiB"])?;
        expect(&answer, "result: correct")
    }

    fn begin(&self, homeserver: &Homeserver) -> Result<(Diary, String)> {
        self.head("Use it: a user, messages, a picture");
        let answer = self.juju(&["run", "synapse/leader", "register-user", "username=anna"])?;
        let password = field(&answer, "user-password")?;
        let mut diary = Diary::begin(homeserver, "anna", &password)?;
        diary.open_room("Travel")?;
        diary.write("We are at the sea.")?;
        diary.write("I'll send you a picture:")?;
        diary.post("sea.png", &picture(1))?;
        diary.write("Is it not beautiful? \u{1f30a}")?;

        self.head("Back it up, while it runs");
        let answer = self.juju(&["run", "synapse/leader", "create-backup"])?;
        expect(&answer, "result: correct")?;
        let id = field(&answer, "backup-id")?;
        let answer = self.juju(&["run", "synapse/leader", "list-backups"])?;
        expect(&answer, &id)?;
        ensure!(
            homeserver.is_healthy(),
            "Synapse does not answer after the backup"
        );
        Ok((diary, id))
    }

    fn verify(&self, id: &str) -> Result<()> {
        self.head("Prove that it can be read back");
        let backup = format!("backup-id={id}");
        let answer = self.juju(&["run", "synapse/leader", "verify-backup", &backup])?;
        expect(&answer, "level: full")?;
        expect(&answer, "result: correct")
    }

    fn show(&self, id: &str) -> Result<()> {
        self.head("All that is known of it, and what is in it");
        let backup = format!("backup-id={id}");
        let words = ["run", "synapse/leader", "show-backup", &backup];
        let answer = self.juju(&words)?;
        expect(&answer, "finished")?;
        expect(&answer, "last-proven")?;
        let answer = self.juju(&[&words[..], &["contents=true", "match=media"]].concat())?;
        expect(&answer, "media/local_content/")
    }

    fn look_into_the_bucket(&self, id: &str) -> Result<()> {
        self.head("What lies in the bucket");
        let bucket = self.world.store().bucket();
        self.world
            .run(
                &bucket,
                &["ls", "-l", "--human-readable", &format!("{SERVER}/{id}")],
            )?
            .success()?;
        let keys: Vec<String> = self
            .world
            .store()
            .objects()?
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        // What its run has noted beside it does not make a backup.
        for name in [
            "inventory.json.gpg",
            "manifest.json",
            "volume-0001.tar.gpg",
            "volume-0002.tar.gpg",
        ] {
            let key = format!("{SERVER}/{id}/{name}");
            ensure!(keys.contains(&key), "the bucket holds {keys:?}");
        }
        self.world
            .run(&bucket, &["cat", &format!("{SERVER}/{id}/manifest.json")])?
            .success()?;
        Ok(())
    }

    fn recover_by_hand(&self, id: &str) -> Result<()> {
        self.head("The same bytes without the charm: only gpg and tar");
        let backup = self.world.store().bucket().join(SERVER).join(id);
        let recovery = Recovery::begin(self.world, PASSPHRASE)?;
        let there = recovery.unpack(&backup)?;
        recovery.compare(&there, &self.world.pod(UNIT)?)?;
        self.note(&format!("{} files, each with the SHA-256 that the inventory promises; media and keys equal to the live ones.", there.len()));
        Ok(())
    }

    fn lose_everything(&self, homeserver: &Homeserver, diary: &Diary) -> Result<()> {
        self.head("Lose everything: the data, and the container with it");
        let disaster = "find /data -mindepth 1 -delete; kill 1";
        let running = self
            .world
            .pod(UNIT)?
            .workload()
            .context("the workload does not run")?;
        self.juju(&["ssh", "--container", "synapse", UNIT, disaster])?;
        ensure!(
            running.wait(START)?,
            "the container survives the end of its first process"
        );
        // Kubernetes starts the container again, on an empty volume: a blank server.
        self.world.wait_for_status(UNIT, "active", "")?;
        homeserver.wait_healthy(START)?;
        self.juju(&["status"])?;
        let refusal = match homeserver.login(diary.user(), diary.password()) {
            Ok(session) => bail!(
                "{} is still there after the data was destroyed",
                session.user_id()
            ),
            Err(error) => format!("{error:#}"),
        };
        expect(&refusal, "M_FORBIDDEN")?;
        self.note("A blank server: nobody can log in.");
        Ok(())
    }

    fn mistype_the_passphrase(&self, homeserver: &Homeserver, id: &str) -> Result<()> {
        self.head("Try to bring it back, with a mistyped passphrase");
        let passphrase = |text: &str| format!("backup_passphrase={text}");
        self.juju(&["config", "synapse", &passphrase("wrong horse")])?;
        let before = self.world.synapse(UNIT)?;
        let words = ["run", "synapse/leader", "restore-backup"];
        let backup = format!("backup-id={id}");
        let refused = self.world.juju(&[&words[..], &[&backup]].concat())?;
        expect(&refused.stdout, "the passphrase is wrong")?;
        ensure!(
            homeserver.is_healthy() && self.world.synapse(UNIT)? == before,
            "Synapse was touched by a restore that could not be made"
        );
        self.note("Refused in a moment; Synapse was not stopped, and answers.");
        self.juju(&["config", "synapse", &passphrase(PASSPHRASE)])?;
        Ok(())
    }

    fn restore(&self, homeserver: &Homeserver, diary: &Diary, id: &str) -> Result<Diary> {
        self.head("See what a restore would do, and then bring it back");
        let backup = format!("backup-id={id}");
        let words = ["run", "synapse/leader", "restore-backup", &backup];
        let plan = self.juju(&[&words[..], &["dry-run=true"]].concat())?;
        expect(&plan, "result: ready")?;
        let answer = self.juju(&words)?;
        expect(&answer, "result: correct")?;
        self.world.wait_for_status(UNIT, "active", "")?;
        self.juju(&["status"])?;
        homeserver.wait_healthy(START)?;

        self.head("The same user, the same messages, the same picture");
        diary
            .check(homeserver)
            .context("what was restored is not what was saved")?;
        for text in diary.texts() {
            self.note(&format!("anna: {text}"));
        }
        self.note(&format!(
            "All {} messages and {} picture are there, byte for byte; the old session and the password open them.",
            diary.messages(),
            diary.files()
        ));
        let mut diary = diary.clone();
        diary.write("We are back.")?;
        Ok(diary)
    }

    fn restore_by_mistake(&self, homeserver: &Homeserver, diary: &Diary, id: &str) -> Result<()> {
        self.head("Restore once more, by mistake: what was written since is gone");
        let backup = format!("backup-id={id}");
        let answer = self.juju(&["run", "synapse/leader", "restore-backup", &backup])?;
        expect(&answer, "juju run synapse/0 rollback-restore")?;
        ensure!(
            diary.check(homeserver).is_err(),
            "a message from after the backup outlived its restore"
        );
        self.head("Undo it");
        let answer = self.juju(&["run", "synapse/leader", "rollback-restore"])?;
        expect(&answer, "result: correct")?;
        diary
            .check(homeserver)
            .context("what was rolled back is not what was there before")?;
        self.note("Everything is there again, with what was written last: \"We are back.\"");
        self.juju(&["run", "synapse/leader", "confirm-restore"])?;
        self.world.wait_for_status(UNIT, "active", "")?;
        Ok(())
    }

    fn delete(&self, id: &str) -> Result<()> {
        self.head("Delete the backup");
        let answer = self.juju(&[
            "run",
            "synapse/leader",
            "delete-backup",
            &format!("backup-id={id}"),
        ])?;
        expect(&answer, "result: correct")?;
        self.juju(&["run", "synapse/leader", "list-backups"])?;
        let left = self.world.store().objects()?;
        ensure!(left.is_empty(), "the bucket still holds {left:?}");
        Ok(())
    }

    fn head(&self, text: &str) {
        (self.tell)(&format!("\n== {text}\n"));
    }

    fn note(&self, text: &str) {
        (self.tell)(&format!("   {text}"));
    }

    fn juju(&self, words: &[&str]) -> Result<String> {
        let output = self.world.juju(words)?.success();
        (self.tell)("");
        output
    }
}

/// Says what is special about this machine, before the story begins.
pub fn remarks() -> Result<Vec<String>> {
    let mut remarks = vec![format!("The workload runs {}.", Daemon::find()?)];
    remarks.extend(pod::own_user().map(str::to_owned));
    Ok(remarks)
}

fn expect(shown: &str, text: &str) -> Result<()> {
    ensure!(shown.contains(text), "expected {text:?} in:\n{shown}");
    Ok(())
}

/// Takes a value from what `juju run` printed.
fn field(shown: &str, key: &str) -> Result<String> {
    shown
        .lines()
        .find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(':'))
        .map(|value| value.trim().trim_matches(['"', '\'']).to_owned())
        .with_context(|| format!("no {key} in:\n{shown}"))
}
