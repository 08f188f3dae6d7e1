//! The lab: one server with its data, the peer and restic beside it, and each run of any of them measured and verified.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::bed::{Bed, Timed};
use super::data_set::Laid;
use super::group::Group;
use super::measured::{Measured, SERVER, What};
use super::peer::{Peer, Piped};
use super::process::{self, Reading};
use super::restic::Restic;
use super::watch::Watch;
use crate::demo;

/// The object that the peer makes with gpg's defaults. Its name is of the kind that the Python charm gave, so that ours restores it.
const ZIPPED: &str = "backup-20240229235959123456";
/// The object that it makes with `-z 0`.
const PLAIN: &str = "backup-20240229235959123457";

/// All that runs are made with, and all that came of them.
pub(super) struct Lab {
    /// The server.
    pub(super) bed: Bed,
    /// The peer.
    pub(super) peer: Peer,
    /// restic, or why there is none.
    pub(super) restic: Result<Restic, String>,
    /// What was measured, in order.
    pub(super) measured: Vec<Measured>,
    /// The round, from 1.
    pub(super) round: usize,
}

/// What is looked at from the beginning of a run to its end.
struct Look {
    group: Group,
    server: u32,
    before: f64,
    wire: u64,
    began: Instant,
}

impl Lab {
    /// Saves a data set by the charm, proves it, and makes sure that `gpg` decrypts it to the same files.
    pub(super) fn create(&mut self, laid: &Laid) -> Result<String> {
        let timed = self.ours(laid, What::Create, "create-backup", &[])?;
        let id = timed.text("backup-id")?.to_owned();
        let volumes = self.volumes(&id)?;
        self.peer.must_hold(&volumes, laid, "our backup")?;
        Ok(id)
    }

    /// Reads all of a backup by the charm and by `gpg`.
    pub(super) fn verify(&mut self, laid: &Laid, id: &str) -> Result<()> {
        self.ours(laid, What::Verify, "verify-backup", &[("backup-id", id)])?;
        let volumes = self.volumes(id)?;
        let look = self.look()?;
        let reading = self.peer.decrypt(&volumes)?;
        let one = self.alone(laid, What::GpgDecrypt, look, "gpg", reading);
        self.measured.push(one);
        Ok(())
    }

    /// Restores by the charm while somebody asks for `/health`, and makes sure that the data is what was saved.
    pub(super) fn restore(&mut self, laid: &Laid, what: What, id: &str) -> Result<()> {
        // Nothing that is there already shall make it look right.
        let uploads = self.bed.data().join(super::data_set::UPLOADS);
        if uploads.is_dir() {
            fs::write(uploads.join("to-be-replaced"), "by the restore")?;
        }
        let watch = Watch::begin(self.bed.address())?;
        let timed = self.ours(laid, what, "restore-backup", &[("backup-id", id)]);
        let seen = watch.end()?;
        let timed = timed?;
        if let Some(one) = self.measured.last_mut() {
            let silences = seen.silences.iter();
            one.down = Some(silences.map(|silence| silence.as_secs_f64()).sum());
            one.remark = timed.lengths();
        }
        laid.must_be_in(&self.bed.data(), "what the charm has restored")?;
        self.bed.action("confirm-restore", &[])?;
        Ok(())
    }

    /// Deletes a backup.
    pub(super) fn delete(&self, id: &str) -> Result<()> {
        self.bed.action("delete-backup", &[("backup-id", id)])?;
        Ok(())
    }

    /// Saves a data set by the peer, with gpg's defaults or with `-z 0`. It is to be brought back or looked into after that.
    pub(super) fn peer_create(&mut self, laid: &Laid, what: What) -> Result<()> {
        let (key, compression): (_, &[&str]) = match what {
            What::PlainCreate => (PLAIN, &["-z", "0"]),
            _ => (ZIPPED, &[]),
        };
        let place = self.bed.place();
        let object = format!("{}/{key}", demo::SERVER);
        let look = self.look()?;
        let data = self.bed.data();
        let piped = (self.peer).save(&data, &place, &object, laid.bytes, compression)?;
        self.piped(laid, what, look, &piped);
        Ok(())
    }

    /// Makes sure that `gpg` decrypts what the peer has saved to the same files.
    pub(super) fn peer_hold(&self, laid: &Laid) -> Result<()> {
        for key in [ZIPPED, PLAIN] {
            let object = self.bed.shelf().join(key);
            if object.is_file() {
                self.peer.must_hold(&[object], laid, "the peer's object")?;
            }
        }
        Ok(())
    }

    /// Brings back by the peer what it has saved, into a directory of its own.
    pub(super) fn peer_restore(&mut self, laid: &Laid, what: What) -> Result<()> {
        let key = if what == What::PlainRestore {
            PLAIN
        } else {
            ZIPPED
        };
        let into = self.bed.world().path("brought-back");
        let object = format!("{}/{key}", demo::SERVER);
        let look = self.look()?;
        let piped = self.peer.bring_back(&self.bed.place(), &object, &into)?;
        self.piped(laid, what, look, &piped);
        laid.must_be_in(&into.join("data"), "what the peer has brought back")?;
        fs::remove_dir_all(into)?;
        Ok(())
    }

    /// Restores by the charm what the peer has saved with gpg's defaults.
    pub(super) fn legacy_restore(&mut self, laid: &Laid) -> Result<()> {
        self.restore(laid, What::LegacyRestore, ZIPPED)
    }

    /// Removes the peer's objects.
    pub(super) fn peer_delete(&self) -> Result<()> {
        for key in [ZIPPED, PLAIN] {
            let object = self.bed.shelf().join(key);
            if object.is_file() {
                fs::remove_file(object)?;
            }
        }
        Ok(())
    }

    /// Saves and brings back by restic, in a repository of its own that goes again.
    pub(super) fn restic(&mut self, laid: &Laid, restores: bool) -> Result<()> {
        let Ok(restic) = &self.restic else {
            return Ok(());
        };
        let (place, into) = (self.bed.place(), self.bed.world().path("brought-back"));
        let repository = restic.begin(&place)?;
        let look = self.look()?;
        let reading = restic.save(&repository, &self.bed.data())?;
        let saved = self.alone(laid, What::ResticCreate, look, "restic", reading);
        let mut brought = None;
        match restores {
            false => restic.check(&repository)?,
            true => {
                let look = self.look()?;
                let reading = restic.bring_back(&repository, &into)?;
                brought = Some(self.alone(laid, What::ResticRestore, look, "restic", reading));
                let data = self.bed.data();
                let data = into.join(data.strip_prefix("/")?);
                laid.must_be_in(&data, "what restic has brought back")?;
                fs::remove_dir_all(into)?;
            }
        }
        restic.end(&repository, &place)?;
        self.measured.extend([saved].into_iter().chain(brought));
        Ok(())
    }

    /// Reads a data set with `tar` alone.
    pub(super) fn tar_alone(&mut self, laid: &Laid, what: What) -> Result<()> {
        let look = self.look()?;
        let piped = self
            .peer
            .tar_alone(&self.bed.data(), what == What::TarNull)?;
        self.piped(laid, what, look, &piped);
        Ok(())
    }

    /// An action of the charm, measured.
    fn ours(
        &mut self,
        laid: &Laid,
        what: What,
        action: &str,
        params: &[(&str, &str)],
    ) -> Result<Timed> {
        let wire = over_loopback();
        let timed = self.bed.action(action, params)?;
        let place = self.bed.place();
        let mut one = Measured {
            set: laid.name.clone(),
            store: place.name.to_owned(),
            what,
            round: self.round,
            bytes: laid.bytes,
            files: laid.files,
            wall: timed.dispatch.wall,
            cpu: Default::default(),
            rss: Default::default(),
            pss: 0,
            wire: over_loopback() - wire,
            down: None,
            remark: timed.lengths(),
        };
        let known = [
            ("dispatch", timed.dispatch.cpu.own),
            ("hook tools", timed.dispatch.cpu.children),
            ("Pebble", timed.pebble),
            (SERVER, timed.server),
        ];
        one.cpu = known
            .map(|(name, seconds)| (name.to_owned(), seconds))
            .into();
        one.rss.insert("dispatch".to_owned(), timed.dispatch.peak);
        one.add(&timed.seen);
        self.measured.push(one);
        Ok(timed)
    }

    fn piped(&mut self, laid: &Laid, what: What, look: Look, piped: &Piped) {
        let mut one = self.one(laid, what, look);
        one.wall = piped.wall;
        for (name, reading) in &piped.each {
            tell(&mut one, name, *reading);
        }
        self.measured.push(one);
    }

    /// A program that ran alone.
    fn alone(&self, laid: &Laid, what: What, look: Look, name: &str, reading: Reading) -> Measured {
        let mut one = self.one(laid, what, look);
        one.wall = reading.wall;
        tell(&mut one, name, reading);
        one
    }

    fn look(&self) -> Result<Look> {
        let server = self.bed.place().process;
        Ok(Look {
            group: Group::begin(self.bed.pebble()?),
            server,
            before: process::cpu(server).own,
            wire: over_loopback(),
            began: Instant::now(),
        })
    }

    /// What was looked at, now that it is over.
    fn one(&self, laid: &Laid, what: What, look: Look) -> Measured {
        let mut one = Measured {
            set: laid.name.clone(),
            store: self.bed.place().name.to_owned(),
            what,
            round: self.round,
            bytes: laid.bytes,
            files: laid.files,
            wall: look.began.elapsed().as_secs_f64(),
            cpu: Default::default(),
            rss: Default::default(),
            pss: 0,
            wire: over_loopback() - look.wire,
            down: None,
            remark: String::new(),
        };
        let server = process::cpu(look.server).own - look.before;
        one.cpu.insert(SERVER.to_owned(), server);
        one.add(&look.group.end());
        one
    }

    fn volumes(&self, id: &str) -> Result<Vec<PathBuf>> {
        let mut volumes = Vec::new();
        for entry in fs::read_dir(self.bed.backup(id)).context("the backup is not there")? {
            let path = entry?.path();
            if path.to_string_lossy().ends_with(".tar.gpg") {
                volumes.push(path);
            }
        }
        volumes.sort();
        ensure!(!volumes.is_empty(), "the backup {id} has no volume");
        Ok(volumes)
    }
}

/// What is known of a program that was waited for is better than what was seen of it.
fn tell(one: &mut Measured, name: &str, reading: Reading) {
    one.cpu
        .insert(name.to_owned(), reading.cpu.own + reading.cpu.children);
    let seen = one.rss.entry(name.to_owned()).or_default();
    *seen = reading.peak.max(*seen);
}

/// Bytes that have gone over the loopback device, where all servers of the bench are.
fn over_loopback() -> u64 {
    let text = fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("lo:"));
    let sent = line.and_then(|line| line.split_whitespace().nth(8));
    sent.and_then(|sent| sent.parse().ok()).unwrap_or_default()
}
