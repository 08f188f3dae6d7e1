//! A pod without Kubernetes: the charm's container and the workload's, made by bubblewrap, each with Juju's own absolute paths.
//!
//! ```text
//!   <pod>/             in the charm container           in the workload container
//!   var-lib-juju/      /var/lib/juju
//!   shared/            /charm/containers/<name>         /charm/container
//!   data/              /data                            /data
//!   tmp-charm/         /tmp
//!   tmp-workload/                                       /tmp
//!   logs/              what the containers' first processes printed
//! ```
//!
//! Both containers go on when the program that made them has ended: what is needed to find them again is kept in the pod's
//! directory. A test names itself (or the process it runs in) as the keeper, in `POD_KEEPER`: without it the pod ends.
//!
//! Networks. The workload has a network of its own, so that its fixed port never collides with another pod's; a bridge makes
//! that port reachable at the pod's address, a loopback address of its own. The charm container shares the machine's
//! network, where the S3 servers are, on loopback or anywhere. A real pod's containers share one, and the charm asks its
//! workload on `localhost`. So, while a process of the charm runs, the machine's own loopback lends it the workload's port:
//! see [`lend`]. There is one such port on the machine, and whoever comes second waits.
//!
//! Users. Started by root, the charm is uid 0 and the workload drops to Synapse's real uid 991. An ordinary user has one uid
//! only, which is then shown as 991 in both containers, so that ownership and Pebble's switching of users still hold; see [`own_user`].

mod bridge;
mod container;
mod image;
mod lend;
mod outward;
mod process;
mod shared;
pub(crate) mod view;

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

pub use self::bridge::Bridge;
use self::container::Container;
use self::image::Image;
pub use self::outward::Outward;
pub use self::process::Process;
use crate::deadline::{Deadline, Look};
use crate::pebble::{Daemon, Which};
use crate::trap;

/// Synapse's uid and gid in the stock image.
pub const WORKLOAD_ID: u32 = 991;

/// The port on which the workload serves, published at the pod's address.
const WORKLOAD_PORT: u16 = 8008;

/// Where the storage is mounted, in both containers.
const STORAGE: &str = "/data";

/// How long a container may take to end after SIGTERM before it is killed: Kubernetes' 30 s, scaled down.
const GRACE: Duration = Duration::from_secs(10);

/// One unit's pod.
#[derive(Debug)]
pub struct Pod {
    directory: PathBuf,
    facts: Facts,
    keeper: Option<i32>,
}

/// What stays the same for a pod's life, kept in its directory.
#[derive(Debug, Serialize, Deserialize)]
struct Facts {
    unit: String,
    container: String,
    address: SocketAddrV4,
}

/// A start of the workload container.
#[derive(Debug, Clone)]
pub struct Boot {
    /// Pebble's boot id, by which Juju tells one start from the next.
    pub id: String,
    /// Which daemon it is.
    pub pebble: Which,
}

impl Pod {
    /// Makes the pod of a unit such as `synapse/0` in a directory of its own, and starts its charm container.
    pub fn create(directory: &Path, unit: &str) -> Result<Self> {
        Self::create_kept_by(keeper()?, directory, unit)
    }

    /// The same, with the keeper named by the caller.
    pub fn create_kept_by(keeper: Option<i32>, directory: &Path, unit: &str) -> Result<Self> {
        let Some((application, _)) = unit.split_once('/') else {
            bail!("{unit} is no unit")
        };
        for room in [
            "var-lib-juju",
            "shared",
            "data",
            "tmp-charm",
            "tmp-workload",
            "logs",
            "etc",
        ] {
            let room = directory.join(room);
            fs::create_dir_all(&room)
                .with_context(|| format!("failed to make {}", room.display()))?;
        }
        let directory = fs::canonicalize(directory)?;
        let address = free_address(&directory)?;
        let facts = Facts {
            unit: unit.to_owned(),
            container: application.to_owned(),
            address,
        };
        fs::write(
            directory.join("pod.json"),
            serde_json::to_vec_pretty(&facts)?,
        )?;
        let pod = Self {
            directory,
            facts,
            keeper,
        };
        pod.image().write_etc()?;
        fs::create_dir_all(pod.host_path(&pod.charm_directory()))?;
        pod.ensure_charm_container()?;
        Ok(pod)
    }

    /// Opens a pod that another program made; its charm container is started when it does not run.
    pub fn open(directory: &Path) -> Result<Self> {
        let pod = Self::found(directory)?;
        pod.ensure_charm_container()?;
        Ok(pod)
    }

    /// Finds a pod that another program made, to look at it or to end it; nothing is started.
    pub fn found(directory: &Path) -> Result<Self> {
        let file = directory.join("pod.json");
        let facts =
            fs::read(&file).with_context(|| format!("no pod lies in {}", directory.display()))?;
        let facts = serde_json::from_slice(&facts)
            .with_context(|| format!("failed to understand {}", file.display()))?;
        let directory = fs::canonicalize(directory)?;
        let keeper = keeper()?;
        Ok(Self {
            directory,
            facts,
            keeper,
        })
    }

    /// Where the workload's port can be reached from the machine, while the workload runs.
    pub fn address(&self) -> SocketAddrV4 {
        self.facts.address
    }

    /// The directory that holds all of the pod.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The charm directory as the charm container sees it.
    pub fn charm_directory(&self) -> PathBuf {
        let unit = self.facts.unit.replace('/', "-");
        PathBuf::from(format!("/var/lib/juju/agents/unit-{unit}/charm"))
    }

    /// A command that runs `program` in the charm container, in the charm directory, with exactly this environment.
    ///
    /// The process that the command starts becomes the program: signals, exit code and standard streams are its own.
    pub fn command(&self, program: &Path, environment: &BTreeMap<String, String>) -> Command {
        let container = Container::noted(&self.directory, CHARM);
        let mut entering = container.enter(&["mnt", "uts", "ipc"], &self.charm_directory());
        entering.arg(program);
        if program.ends_with("dispatch") {
            entering = trap::around(&self.directory, entering);
        }
        let mut command = match self.workload() {
            Some(_) => lend::lending(&self.directory, &entering),
            None => entering,
        };
        command
            .env_clear()
            .envs(environment)
            .stdin(std::process::Stdio::null());
        command
    }

    /// A command that runs in the workload container as its root, as `kubectl exec` would.
    pub fn workload_command(&self, words: &[&str]) -> Command {
        let container = Container::noted(&self.directory, WORKLOAD);
        let mut command = container.enter(&["mnt", "uts", "ipc", "net", "pid"], Path::new("/"));
        command
            .args(words)
            .env_clear()
            .envs(image::workload_environment(&self.facts.container));
        command
    }

    /// Where a path of the charm container lies on the machine.
    pub fn host_path(&self, inside: &Path) -> PathBuf {
        let shared = format!("/charm/containers/{}", self.facts.container);
        let rooms = [
            ("/var/lib/juju", "var-lib-juju"),
            (shared.as_str(), "shared"),
            (STORAGE, "data"),
            ("/tmp", "tmp-charm"),
        ];
        self.outside(inside, &rooms)
    }

    /// Where a path of the workload container lies on the machine.
    pub fn workload_host_path(&self, inside: &Path) -> PathBuf {
        self.outside(
            inside,
            &[
                ("/charm/container", "shared"),
                (STORAGE, "data"),
                ("/tmp", "tmp-workload"),
            ],
        )
    }

    /// Starts the workload container, with Pebble as its first process, and waits until Pebble answers.
    pub fn start_workload(&self) -> Result<Boot> {
        if self.workload().is_some() {
            bail!("the workload of {} runs already", self.facts.unit);
        }
        let pebble = Daemon::find()?;
        let listener = listen(self.facts.address)?;
        let view = self.image().workload(&pebble)?;
        let first = [
            "/charm/bin/pebble",
            "run",
            "--create-dirs",
            "--hold",
            "--http",
            ":38813",
            "--verbose",
        ];
        let container = Container::start(&self.directory, WORKLOAD, view, &first)?;
        container.bridge(listener, WORKLOAD_PORT, self.keeper)?;
        outward::open(&container)?;
        let id = container.wait_for_pebble(&self.directory.join("shared"))?;
        Ok(Boot { id, pebble })
    }

    /// The workload's first process, Pebble, when it runs.
    pub fn workload(&self) -> Option<Process> {
        Process::noted(&self.directory.join(WORKLOAD).with_extension("process"))
    }

    /// Ends the workload as Kubernetes does: SIGTERM to Pebble, and after a while SIGKILL to all that is left.
    pub fn stop_workload(&self) -> Result<()> {
        if let Some(pebble) = self.workload() {
            pebble.signal(Signal::TERM)?;
            if !pebble.wait(GRACE)? {
                return self.kill_workload();
            }
        }
        Ok(())
    }

    /// Kills the workload container with all its processes at once.
    pub fn kill_workload(&self) -> Result<()> {
        self.kill(WORKLOAD)
    }

    /// Kills both containers with all their processes; the files stay.
    pub fn kill_all(&self) -> Result<()> {
        self.kill_workload()?;
        for process in self.charm_processes() {
            process.signal(Signal::KILL)?;
        }
        self.kill(CHARM)
    }

    /// All processes in the charm container.
    pub fn charm_processes(&self) -> Vec<Process> {
        // They share the machine's process numbers, so they are found by the mounts they see.
        let first = Process::noted(&self.directory.join(CHARM).with_extension("process"));
        first.map(container::companions).unwrap_or_default()
    }

    fn kill(&self, container: &str) -> Result<()> {
        if let Some(first) =
            Process::noted(&self.directory.join(container).with_extension("process"))
        {
            first.signal(Signal::KILL)?;
            if !first.wait(GRACE)? {
                bail!(
                    "the {container} container of {} survives SIGKILL",
                    self.facts.unit
                );
            }
        }
        Ok(())
    }

    fn ensure_charm_container(&self) -> Result<()> {
        if Process::noted(&self.directory.join(CHARM).with_extension("process")).is_none() {
            // Its first process does nothing but hold the container, as long as its keeper lives.
            let keeper = self.keeper.map(|keeper| format!("--pid={keeper}"));
            let first = match &keeper {
                Some(keeper) => vec!["/usr/bin/tail", keeper, "-f", "/dev/null"],
                None => vec!["/usr/bin/sleep", "infinity"],
            };
            Container::start(&self.directory, CHARM, self.image().charm()?, &first)?;
        }
        Ok(())
    }

    fn image(&self) -> Image<'_> {
        Image {
            pod: &self.directory,
            unit: &self.facts.unit,
            container: &self.facts.container,
        }
    }

    fn outside(&self, inside: &Path, rooms: &[(&str, &str)]) -> PathBuf {
        rooms
            .iter()
            .find_map(|(mount, room)| {
                Some(
                    self.directory
                        .join(room)
                        .join(inside.strip_prefix(mount).ok()?),
                )
            })
            .unwrap_or_else(|| inside.to_owned())
    }
}

const CHARM: &str = "charm";
const WORKLOAD: &str = "workload";

/// What is different because an ordinary user started the pod; `None` for root.
pub fn own_user() -> Option<&'static str> {
    (!rustix::process::geteuid().is_root())
        .then_some("not started by root: charm and workload have one user between them, shown as Synapse's uid 991 in both")
}

/// The process without which no pod of this program shall live on.
fn keeper() -> Result<Option<i32>> {
    std::env::var("POD_KEEPER")
        .ok()
        .map(|id| id.parse().context("POD_KEEPER is no process number"))
        .transpose()
}

/// A loopback address of the pod's own with the workload's port free, the same for the same directory if possible.
fn free_address(directory: &Path) -> Result<SocketAddrV4> {
    let mut hasher = DefaultHasher::new();
    directory.hash(&mut hasher);
    let [a, b, c, ..] = hasher.finish().to_be_bytes();
    // 127.64.0.0 to 127.127.255.255: far from what others use, and never a last byte of 0 or 255.
    let own = SocketAddrV4::new(
        Ipv4Addr::new(127, 64 | (a & 0x3f), b, c.clamp(1, 254)),
        WORKLOAD_PORT,
    );
    match TcpListener::bind(own) {
        Ok(_) => Ok(own),
        Err(_) => {
            // Somebody listens on that port at all addresses: any free port will do.
            let any = TcpListener::bind((*own.ip(), 0))
                .context("no free port on loopback")?
                .local_addr()?;
            Ok(SocketAddrV4::new(*own.ip(), any.port()))
        }
    }
}

/// Listens at the pod's address, which an earlier bridge may just be leaving.
fn listen(address: SocketAddrV4) -> Result<TcpListener> {
    Deadline::after(GRACE).wait_for(&format!("the pod's address {address} to be free"), || {
        Ok(match TcpListener::bind(address) {
            Ok(listener) => Look::Done(listener),
            Err(error) => Look::NotYet(error),
        })
    })
}
