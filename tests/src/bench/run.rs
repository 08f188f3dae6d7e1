//! One run of the bench, from the first measurement to the page.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use rustix::fs::statvfs;
use sha2::{Digest, Sha256};

use super::bed::Bed;
use super::data_set::{DataSet, Laid};
use super::kernels::Kernels;
use super::lab::Lab;
use super::measured::What;
use super::outcome::Outcome;
use super::peer::Peer;
use super::report::aside;
use super::restic::Restic;
use super::servers::{Place, Server};
use super::settings::Settings;
use super::{hooks, machine, page};
use crate::parts;
use crate::pebble::Daemon;
use crate::s3::{Toxic, Toxiproxy, Way};

/// What is added to each answer in the measurement of a line that is slow.
pub(super) const LATENCY: Duration = Duration::from_millis(60);

/// The copies of a data set on the disk at most: itself, its backup, the peer's two objects or restic's repository and what
/// is unpacked of one of them, and a little more.
const COPIES: u64 = 5;

/// How a data set that lies there is measured.
type Measure = fn(&Settings, &mut Lab, &Laid) -> Result<()>;

/// Measures all that is wanted, and writes it down.
pub fn run(settings: &Settings) -> Result<()> {
    let mut outcome = begin(settings)?;
    if settings.wants("kernels") {
        aside("sealing and opening on one core");
        outcome.kernels = Some(Kernels::measure(settings.choose(7, 1))?);
    }
    aside("deploying");
    let bed = Bed::deploy()?;
    if settings.wants("hook") {
        aside("a hook with nothing to do");
        hooks::hook(&bed, settings.choose(50, 20), &mut outcome)?;
    }
    bed.connect()?;
    if settings.wants("list") {
        aside("a list of many backups");
        hooks::list(&bed, settings.choose(7, 3), &mut outcome)?;
    }
    let world = |name: &str| bed.world().path(name);
    let (peer, restic) = (Peer::new(&world("peer"))?, Restic::find(&world("restic")));
    outcome.versions.push(peer.version());
    match &restic {
        Ok(restic) => outcome.versions.push(restic.version()),
        Err(missing) => outcome.notes.push(missing.clone()),
    }
    let mut lab = Lab {
        bed,
        peer,
        restic,
        measured: Vec::new(),
        round: 0,
    };
    let measured = sets(settings, &mut lab, &mut outcome.notes);
    outcome.measured = std::mem::take(&mut lab.measured);
    let Lab { bed, peer, .. } = lab;
    drop(peer);
    measured?;
    bed.finish()?;
    outcome.load[1] = machine::load();
    page::write(&outcome, settings)
}

fn begin(settings: &Settings) -> Result<Outcome> {
    let mut notes = Vec::new();
    if settings.is_quick() {
        let told = "**This was a quick run**: sizes are small and fixed costs great, so it says whether all works, not how fast it is.";
        notes.push(told.to_owned());
    }
    let archive = parts::charm_archive()?;
    let charm = hex(&Sha256::digest(fs::read(&archive)?));
    Ok(Outcome {
        date: Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
        quick: settings.is_quick(),
        machine: machine::facts(),
        load: [machine::load(), String::new()],
        versions: vec![
            format!("{}", Daemon::find()?),
            format!("versitygw {}", parts::version("versitygw")?),
            machine::version("gpg"),
            machine::version("tar"),
        ],
        dispatch: charm[..16].to_owned(),
        notes,
        ..Outcome::default()
    })
}

fn sets(settings: &Settings, lab: &mut Lab, notes: &mut Vec<String>) -> Result<()> {
    if settings.wants("sizes") {
        sizes(settings, lab, notes)?;
    }
    if settings.wants("latency") {
        latency(settings, lab)?;
    }
    let sets: [(DataSet, Measure); 4] = [
        (DataSet::media(settings), media),
        (DataSet::small(settings), small),
        (DataSet::text(settings), text),
        (DataSet::large(settings), large),
    ];
    for (set, measure) in sets {
        if settings.wants(set.name) && may_begin(settings, lab, &set, notes)? {
            aside(&format!("making the data set {}", set.name));
            let laid = set.lay(&lab.bed)?;
            measure(settings, lab, &laid)?;
            laid.take_away(&lab.bed)?;
        }
    }
    Ok(())
}

/// Whether there is time and room for a data set; what is not measured is told.
fn may_begin(
    settings: &Settings,
    lab: &Lab,
    set: &DataSet,
    notes: &mut Vec<String>,
) -> Result<bool> {
    let (needed, free) = (set.most() * COPIES, room(&lab.bed.data())?);
    if free < needed {
        let gb = |bytes: u64| bytes as f64 / 1e9;
        notes.push(format!(
            "The data set {} was left out: it takes up to {:.0} GB on the disk, and {:.0} are free.",
            set.name,
            gb(needed),
            gb(free)
        ));
        return Ok(false);
    }
    if !settings.has_time() {
        notes.push(format!(
            "The data set {} was left out: the time was up.",
            set.name
        ));
        return Ok(false);
    }
    Ok(true)
}

/// Rounds until all are made or the time is up.
fn rounds(
    settings: &Settings,
    lab: &mut Lab,
    whole: usize,
    mut each: impl FnMut(&mut Lab) -> Result<()>,
) -> Result<()> {
    for round in 1..=settings.rounds(whole) {
        if round > 1 && !settings.has_time() {
            break;
        }
        aside(&format!("round {round}, {}", lab.bed.place().name));
        lab.round = round;
        each(lab)?;
    }
    Ok(())
}

/// Media of several sizes, for the curves. Two parts at once are on their way, as the goal for the memory has it.
fn sizes(settings: &Settings, lab: &mut Lab, notes: &mut Vec<String>) -> Result<()> {
    lab.bed.configure("synapse", &["backup_parallelism=2"])?;
    for size in settings.sizes() {
        let set = DataSet::of_size("sizes", size);
        if !may_begin(settings, lab, &set, notes)? {
            continue;
        }
        aside(&format!("{} MiB of media", size >> 20));
        let mut laid = set.lay(&lab.bed)?;
        laid.name = format!("{} MiB", size >> 20);
        rounds(settings, lab, 1, |lab| {
            let id = lab.create(&laid)?;
            lab.peer_create(&laid, What::PeerCreate)?;
            lab.peer_create(&laid, What::PlainCreate)?;
            lab.restore(&laid, What::Restore, &id)?;
            lab.peer_restore(&laid, What::PeerRestore)?;
            lab.peer_restore(&laid, What::PlainRestore)?;
            lab.delete(&id)?;
            lab.peer_delete()
        })?;
        laid.take_away(&lab.bed)?;
    }
    lab.bed
        .configure("synapse", &["--reset", "backup_parallelism"])
}

/// The same over a line on which each answer comes late.
fn latency(settings: &Settings, lab: &mut Lab) -> Result<()> {
    let size = settings.choose(1024, 32) << 20;
    let laid = DataSet::of_size("latency", size).lay(&lab.bed)?;
    let straight = lab.bed.place();
    let address = straight.endpoint.trim_start_matches("http://").parse()?;
    let line = Toxiproxy::before(address)?;
    let place = |name: &'static str| Place {
        name,
        endpoint: line.endpoint(),
        ..straight.clone()
    };
    lab.bed.switch(&place("versitygw, 0 ms"))?;
    rounds(settings, lab, 3, |lab| {
        for (name, late) in [("versitygw, 0 ms", false), ("versitygw, 60 ms", true)] {
            line.heal()?;
            if late {
                line.spoil(&Toxic::latency(Way::Down, LATENCY, Duration::ZERO))?;
            }
            lab.bed.call(name);
            let id = lab.create(&laid)?;
            lab.restore(&laid, What::Restore, &id)?;
            lab.delete(&id)?;
        }
        line.heal()
    })?;
    lab.bed.switch(&straight)?;
    laid.take_away(&lab.bed)
}

/// All of it: both sides, both ways, at all servers.
fn media(settings: &Settings, lab: &mut Lab, laid: &Laid) -> Result<()> {
    let straight = lab.bed.place();
    rounds(settings, lab, 3, |lab| {
        let id = lab.create(laid)?;
        lab.peer_create(laid, What::PeerCreate)?;
        lab.peer_create(laid, What::PlainCreate)?;
        lab.verify(laid, &id)?;
        lab.restore(laid, What::Restore, &id)?;
        lab.delete(&id)?;
        lab.peer_restore(laid, What::PlainRestore)?;
        lab.legacy_restore(laid)?;
        lab.peer_restore(laid, What::PeerRestore)?;
        lab.peer_delete()?;
        lab.restic(laid, true)
    })?;
    let own = Server::own(&lab.bed.world().path("own-store"))?;
    lab.bed.switch(own.place())?;
    rounds(settings, lab, 2, |lab| both_create(lab, laid))?;
    let tls = Server::versitygw_with_tls()?;
    lab.bed.switch(tls.place())?;
    rounds(settings, lab, 1, |lab| both_create(lab, laid))?;
    lab.bed.switch(&straight)
}

fn both_create(lab: &mut Lab, laid: &Laid) -> Result<()> {
    let id = lab.create(laid)?;
    lab.peer_create(laid, What::PeerCreate)?;
    lab.peer_create(laid, What::PlainCreate)?;
    lab.peer_hold(laid)?;
    lab.peer_delete()?;
    lab.delete(&id)
}

/// Both sides, and `tar` alone.
fn small(settings: &Settings, lab: &mut Lab, laid: &Laid) -> Result<()> {
    rounds(settings, lab, 3, |lab| {
        lab.tar_alone(laid, What::TarNull)?;
        lab.tar_alone(laid, What::Tar)?;
        let id = lab.create(laid)?;
        lab.peer_create(laid, What::PlainCreate)?;
        if lab.round == 1 {
            lab.peer_create(laid, What::PeerCreate)?;
            lab.restic(laid, false)?;
            lab.restore(laid, What::Restore, &id)?;
            lab.peer_restore(laid, What::PeerRestore)?;
        }
        lab.peer_hold(laid)?;
        lab.peer_delete()?;
        lab.delete(&id)
    })
}

/// Both sides and restic.
fn text(settings: &Settings, lab: &mut Lab, laid: &Laid) -> Result<()> {
    rounds(settings, lab, 2, |lab| {
        let id = lab.create(laid)?;
        lab.peer_create(laid, What::PeerCreate)?;
        lab.peer_create(laid, What::PlainCreate)?;
        lab.restore(laid, What::Restore, &id)?;
        lab.peer_restore(laid, What::PeerRestore)?;
        lab.peer_hold(laid)?;
        lab.peer_delete()?;
        lab.delete(&id)?;
        lab.restic(laid, false)
    })
}

/// Both sides, once, one thing on the disk after the other.
fn large(settings: &Settings, lab: &mut Lab, laid: &Laid) -> Result<()> {
    rounds(settings, lab, 1, |lab| {
        let id = lab.create(laid)?;
        lab.verify(laid, &id)?;
        lab.restore(laid, What::Restore, &id)?;
        lab.delete(&id)?;
        lab.peer_create(laid, What::PlainCreate)?;
        lab.peer_restore(laid, What::PlainRestore)?;
        lab.peer_delete()?;
        lab.peer_create(laid, What::PeerCreate)?;
        lab.peer_restore(laid, What::PeerRestore)?;
        lab.peer_delete()
    })
}

/// Bytes that are free where a directory lies.
fn room(directory: &Path) -> Result<u64> {
    let facts = statvfs(directory).context("failed to ask for free space")?;
    Ok(facts.f_bavail * facts.f_frsize)
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
