//! Runs of the packed charm within the memory that `backup_memory` grants, however much there is to save and however many
//! files. `make test` does it with little, `make memory` with 20 GiB and a million files.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs::{self, File};
use std::os::unix::fs::lchown;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use harness::demo::Story;
use harness::limit::{Limited, Spent};
use harness::pod::WORKLOAD_ID;
use harness::world::World;
use rustix::fs::{FallocateFlags, fallocate, statvfs};

const UNIT: &str = "synapse/0";
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// The budget, which is the limit too.
const BUDGET: u64 = 128 * MIB;
/// What is aimed at with two parts of 16 MiB on their way.
const CREATE: u64 = 80 * MIB;
const RESTORE: u64 = 32 * MIB;
/// What a run may take beyond its aim until it is reached: the formula of the documents.
const BEYOND: u64 = 4 * MIB;

/// The size of a large file, all of it a hole.
const LARGE: u64 = 64 * MIB;
/// Where they lie, below the directory of uploads.
const HOLES: &str = "zz/zz";

/// Backups that lie beside those of the test.
const CROWD: usize = 1200;

/// How much there is to save, and with how many parts on their way at most.
#[derive(Clone, Copy)]
struct Amount {
    bytes: u64,
    files: u64,
    parallelism: u64,
}

#[test]
fn half_a_gibibyte_and_forty_thousand_files_pass_within_the_default_budget() {
    pass(Amount {
        bytes: GIB / 2,
        files: 40_000,
        // More than there is room for.
        parallelism: 32,
    });
}

#[test]
#[ignore = "takes many minutes: make memory"]
fn twenty_gibibytes_and_a_million_files_pass_within_the_default_budget() {
    let amount = |name: &str, usual: u64| {
        let told = std::env::var(name).ok();
        told.map_or(usual, |told| told.parse().unwrap())
    };
    pass(Amount {
        bytes: amount("MEMORY_GIB", 20) * GIB,
        files: amount("MEMORY_FILES", 1_000_000),
        parallelism: amount("MEMORY_PARALLELISM", 2),
    });
}

/// Saves, proves, lists, rotates, restores and deletes that much, each within the budget.
fn pass(amount: Amount) {
    let world = World::with_versitygw().unwrap();
    let story = Story::new(&world, |_| ());
    story.deploy().unwrap();
    story.connect().unwrap();
    let parallelism = format!("backup_parallelism={}", amount.parallelism);
    let words = ["config", "synapse", &parallelism, "backup_volume_size=2GiB"];
    world.juju(&words).unwrap().success().unwrap();
    let data = world.data(UNIT).unwrap();
    room(&data, amount);
    let charm = Limited::new(&world, UNIT, BUDGET).unwrap();
    let create = if amount.parallelism == 2 {
        CREATE
    } else {
        BUDGET
    };
    let act = |name: &str, params: &[(&str, &str)], goal: u64| {
        let spent = charm.action(name, params).unwrap();
        tell(name, &spent, goal);
        spent
    };

    println!("nothing but a fresh server:");
    let small = act("create-backup", &[], create);
    let few = small.text("files").unwrap().parse::<u64>().unwrap();
    let small = small.text("backup-id").unwrap().to_owned();

    println!("{CROWD} backups more:");
    crowd(&world.store().bucket().join("demo.example"), &small);
    let listed = act("list-backups", &[], RESTORE);
    assert_eq!(listed.text("count").unwrap(), (CROWD + 1).to_string());
    act("verify-backup", &[("backup-id", &small)], RESTORE);

    println!(
        "{} MiB and {} files more:",
        amount.bytes / MIB,
        amount.files
    );
    fill(&data.join("media/local_content"), amount);
    let dry = act("create-backup", &[("dry-run", "true")], RESTORE);
    assert_eq!(dry.text("result").unwrap(), "ready");
    let created = act("create-backup", &[], create);
    let id = created.text("backup-id").unwrap().to_owned();
    let files = created.text("files").unwrap().parse::<u64>().unwrap();
    assert!(files >= few + amount.files, "{files}");
    let content = created.text("content").unwrap().parse::<u64>().unwrap();
    assert!(content >= amount.bytes, "{content}");
    let backup = [("backup-id", id.as_str())];
    act("list-backups", &[], RESTORE);
    act(
        "show-backup",
        &[("backup-id", &id), ("contents", "true")],
        RESTORE,
    );
    act(
        "verify-backup",
        &[("backup-id", &id), ("level", "quick")],
        RESTORE,
    );
    act("verify-backup", &backup, RESTORE);

    // What is live was never on the disk, and what is unpacked need not stay there.
    let digging = Digging::begin(data.join(".synapse-operator/staging"));
    let restored = act("restore-backup", &backup, RESTORE);
    digging.end();
    assert_eq!(restored.text("files").unwrap(), files.to_string());
    act("confirm-restore", &[], RESTORE);
    assert_eq!(
        count(&data.join("media/local_content")),
        amount.files + amount.bytes / LARGE
    );
    act("delete-backup", &backup, RESTORE);
    act("list-backups", &[], RESTORE);
    world.finish().unwrap();
}

/// Prints what a run took, and holds it against what is aimed at.
fn tell(name: &str, spent: &Spent, goal: u64) {
    let mib = |bytes: u64| bytes as f64 / MIB as f64;
    println!(
        "  {name:<16} {:>6.1} MiB resident (goal {}), {:>6.1} MiB mapped (limit {}), {:>6.1} s",
        mib(spent.resident),
        goal / MIB,
        mib(spent.mapped),
        BUDGET / MIB,
        spent.took.as_secs_f64()
    );
    assert!(
        spent.mapped <= BUDGET && spent.resident <= goal + BEYOND,
        "{name}: {spent:?}"
    );
}

/// Lays copies of a backup beside it, older ones; of the volumes only the sizes.
pub(crate) fn crowd(place: &Path, id: &str) {
    let manifest = fs::read_to_string(place.join(id).join("manifest.json")).unwrap();
    let sizes: Vec<(String, u64)> = fs::read_dir(place.join(id))
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, entry.metadata().unwrap().len())
        })
        .collect();
    for number in 0..CROWD {
        let other = format!("backup-20260102000000{number:06}");
        let folder = place.join(&other);
        fs::create_dir(&folder).unwrap();
        for (name, size) in &sizes {
            File::create(folder.join(name))
                .unwrap()
                .set_len(*size)
                .unwrap();
        }
        fs::write(folder.join("manifest.json"), manifest.replace(id, &other)).unwrap();
    }
}

/// The store keeps all of it, and a few of the large files are unpacked at a time.
fn room(data: &Path, amount: Amount) {
    // The backup, and what a restore wants to be free for staging; a small file takes a block in each of two places.
    let needed = 2 * amount.bytes + 4 * GIB + amount.files * 8192;
    let volume = statvfs(data).unwrap();
    let free = volume.f_bavail * volume.f_frsize;
    assert!(
        free > needed,
        "{needed} bytes are needed on the disk, and {free} are free"
    );
}

/// Makes small files and large ones where Synapse keeps its uploads, as Synapse's.
fn fill(media: &Path, amount: Amount) {
    let own = |path: &Path| {
        if rustix::process::geteuid().is_root() {
            lchown(path, Some(WORKLOAD_ID), Some(WORKLOAD_ID)).unwrap();
        }
    };
    let make = |directory: &Path| {
        fs::create_dir_all(directory).unwrap();
        own(directory);
        own(directory.parent().unwrap());
    };
    make(&media.join(HOLES));
    own(media);
    for number in 0..amount.bytes / LARGE {
        let path = media.join(HOLES).join(format!("{number:020}"));
        File::create(&path).unwrap().set_len(LARGE).unwrap();
        own(&path);
    }
    let mut directory = PathBuf::new();
    for number in 0..amount.files {
        // Synapse spreads them over 676 x 676 directories at most; a thousand in one is many.
        if number % 1000 == 0 {
            let at = number / 1000;
            directory = media.join(format!("{:02}/{:02}", at / 100, at % 100));
            make(&directory);
        }
        let path = directory.join(format!("{number:020}"));
        fs::write(&path, number.to_string()).unwrap();
        own(&path);
    }
}

fn count(directory: &Path) -> u64 {
    let mut files = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        files += match entry.file_type().unwrap().is_dir() {
            true => count(&entry.path()),
            false => 1,
        };
    }
    files
}

/// Makes holes again of the large files that are unpacked, while they are: their bytes stay what they were.
struct Digging {
    over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Digging {
    fn begin(staging: PathBuf) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                dig(&staging);
                std::thread::sleep(Duration::from_millis(300));
            }
        });
        Self { over, thread }
    }

    fn end(self) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

fn dig(staging: &Path) {
    // Volumes come and go under us.
    for volume in fs::read_dir(staging).into_iter().flatten().flatten() {
        let holes = volume.path().join("data/media/local_content").join(HOLES);
        for file in fs::read_dir(holes).into_iter().flatten().flatten() {
            let Ok(file) = File::options().write(true).open(file.path()) else {
                continue;
            };
            let full = file.metadata().is_ok_and(|facts| facts.len() == LARGE);
            if full {
                let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
                let _ = fallocate(&file, flags, 0, LARGE);
            }
        }
    }
}
