//! Ceph's RADOS Gateway before a cluster of one monitor and one store in memory.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::daemon::{Daemon, free_addresses, listens, run, status};
use super::running::{Keys, Running};
use crate::deadline::{Deadline, Look};
use crate::parts;

/// How long each of its processes may take.
const START: Duration = Duration::from_secs(120);
/// The packages that hold all of it.
const PACKAGES: &str = "radosgw ceph-mon ceph-osd ceph-common";

/// The version of the gateway.
pub(super) fn version() -> Result<String> {
    let told = run(Command::new(program("radosgw")?).arg("--version"))?;
    let version = told.split_whitespace().nth(2);
    Ok(version.context("radosgw tells no version")?.to_owned())
}

/// Starts all of it and waits until it answers.
pub(super) fn start() -> Result<Running> {
    // One at a time: its store keeps all objects in memory, and two that start at once were seen to hinder each other.
    let turn = fs::File::create(std::env::temp_dir().join("synapse-operator-ceph.lock"))?;
    turn.lock()?;
    let directory = tempfile::Builder::new().prefix("ceph-").tempdir()?;
    let [monitor, gateway] = free_addresses()?;
    let (id, osd_id) = (uuid()?, uuid()?);
    let cluster = Cluster {
        directory: directory.path().to_owned(),
        id,
    };
    cluster.prepare(monitor)?;
    let log = |name: &str| directory.path().join(format!("{name}.out"));

    let mut mon = cluster.command("ceph-mon")?;
    let mut mon = Daemon::start("ceph-mon", mon.args(["-f", "-i", "a"]), &log("mon"))?;
    mon.wait(START, || listens(monitor))?;
    let told = cluster.command("ceph")?;
    run({ told }.args(["--connect-timeout", "60", "osd", "new", &osd_id, "0"]))?;
    let made = cluster.command("ceph-osd")?;
    run({ made }.args(["-i", "0", "--mkfs", "--osd-uuid", &osd_id]))?;
    let mut osd = cluster.command("ceph-osd")?;
    let osd = Daemon::start("ceph-osd", osd.args(["-f", "-i", "0"]), &log("osd"))?;
    Deadline::after(START).wait_for("Ceph's store to be up", || {
        let told = run(cluster.command("ceph")?.args(["osd", "stat"]))?;
        Ok(match told.contains("1 up") {
            true => Look::Done(()),
            false => Look::NotYet(told),
        })
    })?;
    let mut rgw = cluster.command("radosgw")?;
    rgw.args(["-f", "-n", "client.admin", "--rgw-frontends"])
        .arg(format!("beast endpoint={gateway}"));
    let mut rgw = Daemon::start("radosgw", &mut rgw, &log("rgw"))?;
    rgw.wait(START, || status(gateway, "/").is_some())?;
    cluster.add_user("ours", &Keys::ours())?;
    cluster.add_user("stranger", &Keys::strangers())?;
    let mut running = Running::plain(
        gateway,
        // The gateway first: what waits for the store never ends.
        vec![
            Box::new(rgw),
            Box::new(osd),
            Box::new(mon),
            Box::new(directory),
            Box::new(turn),
        ],
    );
    running.stranger = Some(Keys::strangers());
    Ok(running)
}

/// A cluster's directory and what is done with it.
struct Cluster {
    directory: PathBuf,
    /// Who it is.
    id: String,
}

impl Cluster {
    /// Writes what the monitor needs for its first start.
    fn prepare(&self, monitor: SocketAddr) -> Result<()> {
        for name in ["mon", "osd"] {
            fs::create_dir(self.directory.join(name))?;
        }
        fs::write(self.config(), config(&self.directory, &self.id, monitor))?;
        let keyring = self.directory.join("keyring");
        let map = self.directory.join("monmap");
        let mut key = Command::new(program("ceph-authtool")?);
        key.arg("--create-keyring").arg(&keyring);
        run(key.args(["--gen-key", "-n", "mon.", "--cap", "mon", "allow *"]))?;
        let mut key = Command::new(program("ceph-authtool")?);
        key.arg(&keyring).args(["--gen-key", "-n", "client.admin"]);
        run(key.args(["--cap", "mon", "allow *", "--cap", "osd", "allow *"]))?;
        let mut made = Command::new(program("monmaptool")?);
        made.args(["--create", "--addv", "a", &format!("[v1:{monitor}]")]);
        run(made.args(["--fsid", &self.id]).arg(&map))?;
        let mut made = self.command("ceph-mon")?;
        made.args(["--mkfs", "-i", "a", "--monmap"]).arg(&map);
        run(made.arg("--keyring").arg(&keyring))?;
        Ok(())
    }

    fn config(&self) -> PathBuf {
        self.directory.join("ceph.conf")
    }

    fn command(&self, name: &str) -> Result<Command> {
        let mut command = Command::new(program(name)?);
        command.arg("-c").arg(self.config());
        Ok(command)
    }

    fn add_user(&self, name: &str, keys: &Keys) -> Result<()> {
        let mut command = self.command("radosgw-admin")?;
        command.args(["user", "create", "--uid", name, "--display-name", name]);
        command.args(["--access-key", &keys.access, "--secret-key", &keys.secret]);
        run(&mut command).map(drop)
    }
}

fn uuid() -> Result<String> {
    let uuid = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    Ok(uuid.trim().to_owned())
}

fn program(name: &str) -> Result<PathBuf> {
    parts::machine_program(name, PACKAGES)
}

fn config(directory: &Path, id: &str, monitor: SocketAddr) -> String {
    let directory = directory.display();
    format!(
        "[global]
fsid = {id}
mon host = v1:{monitor}
ms bind msgr2 = false
public network = 127.0.0.0/8
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default pg num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail warn = 0
mon data avail crit = 0
osd objectstore = memstore
memstore device bytes = 4294967296
run dir = {directory}
admin socket = {directory}/$name.asok
log file = {directory}/$name.log
mon data = {directory}/mon
osd data = {directory}/osd
keyring = {directory}/keyring
"
    )
}
