//! The data sets: made from a seed below the data directory of a server that runs, known by digest, and taken away again.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use super::bed::Bed;
use super::noise::{Noise, Numbers, Text};
use super::settings::Settings;
use super::tree::Tree;
use crate::parts;
use crate::pod::WORKLOAD_ID;

const KB: u64 = 1000;
const MB: u64 = 1_000_000;

/// Where Synapse keeps uploads, below the data directory.
pub(super) const UPLOADS: &str = "media/local_content";

/// A table of its own in the live database, with what comes on standard input.
const FILL: &str = "\
import itertools, sqlite3, sys
base = sqlite3.connect('/data/homeserver.db', timeout=60, isolation_level=None)
base.execute('PRAGMA synchronous = OFF')
base.execute('CREATE TABLE ballast (number INTEGER PRIMARY KEY, content)')
text = sys.argv[1] == 'text'
pieces = iter(lambda: sys.stdin.buffer.read(3600), b'')
rows = ((piece.decode() if text else piece,) for piece in pieces)
while some := list(itertools.islice(rows, 4000)):
    base.execute('BEGIN IMMEDIATE')
    base.executemany('INSERT INTO ballast (content) VALUES (?)', some)
    base.execute('COMMIT')
base.execute('PRAGMA wal_checkpoint(TRUNCATE)')
";

/// Takes the table away again, and gives its room back.
const EMPTY: &str = "\
import sqlite3
base = sqlite3.connect('/data/homeserver.db', timeout=60, isolation_level=None)
base.execute('PRAGMA synchronous = OFF')
base.execute('DROP TABLE IF EXISTS ballast')
base.execute('VACUUM')
base.execute('PRAGMA wal_checkpoint(TRUNCATE)')
";

/// Prints the digest of the table, and looks at the structure of the database when it is small.
const DIGEST: &str = "\
import hashlib, sqlite3, sys
base = sqlite3.connect(sys.argv[1], timeout=60)
digest = hashlib.sha256()
for content, in base.execute('SELECT content FROM ballast ORDER BY number'):
    digest.update(content.encode() if isinstance(content, str) else content)
print(digest.hexdigest())
";

/// What a data set consists of.
#[derive(Debug, Clone)]
pub(super) struct DataSet {
    /// Its name, as in `BENCH_SETS`.
    pub(super) name: &'static str,
    files: u64,
    /// Bytes of each file, from and to.
    each: (u64, u64),
    database: u64,
    text: bool,
}

/// A data set that lies there.
#[derive(Debug)]
pub(super) struct Laid {
    /// Its name.
    pub(super) name: String,
    /// Bytes of its files and of what was put into the database.
    pub(super) bytes: u64,
    /// Its files.
    pub(super) files: u64,
    tree: Tree,
    database: Option<String>,
}

impl DataSet {
    /// Files of media that cannot be compressed, with a database beside them.
    pub(super) fn media(settings: &Settings) -> Self {
        Self {
            name: "media",
            files: settings.choose(4000, 400),
            each: settings.choose((256 * KB, 744 * KB), (60 * KB, 260 * KB)),
            database: settings.choose(200 * MB, 20 * MB),
            text: false,
        }
    }

    /// A great many small files.
    pub(super) fn small(settings: &Settings) -> Self {
        Self {
            name: "small",
            files: settings.choose(200_000, 5000),
            each: (KB, 20 * KB),
            database: 0,
            text: false,
        }
    }

    /// A large database that is text above all.
    pub(super) fn text(settings: &Settings) -> Self {
        Self {
            name: "text",
            files: 0,
            each: (0, 0),
            database: settings.choose(2000 * MB, 50 * MB),
            text: true,
        }
    }

    /// One file.
    pub(super) fn large(settings: &Settings) -> Self {
        let size = settings.choose(5 << 30, 96 << 20);
        Self {
            name: "large",
            files: 1,
            each: (size, size),
            database: 0,
            text: false,
        }
    }

    /// Media of about so many bytes, in files of 1 MiB.
    pub(super) fn of_size(name: &'static str, size: u64) -> Self {
        Self {
            name,
            files: (size >> 20).max(1),
            each: (1 << 20, 1 << 20),
            database: 0,
            text: false,
        }
    }

    /// Bytes that it may have at most.
    pub(super) fn most(&self) -> u64 {
        self.files * self.each.1 + self.database
    }

    /// Makes it below the data directory of a bed.
    pub(super) fn lay(&self, bed: &Bed) -> Result<Laid> {
        let mut laid = Laid {
            name: self.name.to_owned(),
            bytes: self.database,
            files: self.files,
            tree: Tree::default(),
            database: None,
        };
        self.files(&bed.data(), &mut laid)
            .context("failed to make the files of a data set")?;
        if self.database > 0 {
            laid.database = Some(match self.text {
                true => self.database(bed, Text::new(1))?,
                false => self.database(bed, Noise::new(1))?,
            });
        }
        Ok(laid)
    }

    fn files(&self, data: &Path, laid: &mut Laid) -> Result<()> {
        let top = data.join(UPLOADS);
        let mut made = BTreeSet::new();
        let (mut numbers, mut noise) = (Numbers::new(2), Noise::new(3));
        let mut buffer = vec![0; 1 << 20];
        for number in 0..self.files {
            let (first, second) = (number % 100, number / 100 % 100);
            let name = format!("{first:02}/{second:02}/{number:020}");
            let directory = top.join(format!("{first:02}/{second:02}"));
            make(&directory, data, &mut made)?;
            let size = self.each.0 + numbers.next() % (self.each.1 - self.each.0 + 1);
            let digest = write(&top.join(&name), &mut noise, size, &mut buffer)?;
            laid.tree.insert(name, digest);
            laid.bytes += size;
        }
        Ok(())
    }

    fn database(&self, bed: &Bed, source: impl Read) -> Result<String> {
        let kind = if self.text { "text" } else { "noise" };
        let mut python = bed.workload(&["python3", "-c", FILL, kind]);
        let mut child = python.stdin(Stdio::piped()).spawn()?;
        let mut input = child.stdin.take().context("no standard input")?;
        let mut digest = Sha256::new();
        let mut source = source.take(self.database);
        let mut buffer = vec![0; 360_000];
        loop {
            match source.read(&mut buffer)? {
                0 => break,
                read => {
                    digest.update(&buffer[..read]);
                    input.write_all(&buffer[..read])?;
                }
            }
        }
        drop(input);
        ensure!(child.wait()?.success(), "the database could not be filled");
        Ok(hex(&digest.finalize()))
    }
}

impl Laid {
    /// Whether a data directory, told by its place, holds all of it.
    pub(super) fn must_be_in(&self, data: &Path, place: &str) -> Result<()> {
        if self.files > 0 {
            Tree::of(&data.join(UPLOADS))?.must_be(&self.tree, place)?;
        }
        if let Some(expected) = &self.database {
            let mut python = Command::new(parts::synapse()?.join("bin/python3"));
            python
                .args(["-B", "-c", DIGEST])
                .arg(data.join("homeserver.db"));
            let output = python.output()?;
            let told = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            ensure!(
                told == *expected,
                "{place}: the database is not what was saved: {told} {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(())
    }

    /// Whether these files, found in archives under their paths below the uploads, are all of it.
    pub(super) fn must_be(&self, found: &Tree, place: &str) -> Result<()> {
        found.must_be(&self.tree, place)
    }

    /// Takes it away.
    pub(super) fn take_away(self, bed: &Bed) -> Result<()> {
        let uploads = bed.data().join(UPLOADS);
        if uploads.is_dir() {
            fs::remove_dir_all(uploads)?;
        }
        if self.database.is_some() {
            let done = bed.workload(&["python3", "-c", EMPTY]).status()?;
            ensure!(done.success(), "the database could not be emptied");
        }
        Ok(())
    }
}

fn write(path: &PathBuf, noise: &mut Noise, size: u64, buffer: &mut [u8]) -> Result<[u8; 32]> {
    let mut file = File::create(path)?;
    let mut digest = Sha256::new();
    let mut left = size;
    while left > 0 {
        let piece = left.min(buffer.len() as u64) as usize;
        noise.read_exact(&mut buffer[..piece])?;
        digest.update(&buffer[..piece]);
        file.write_all(&buffer[..piece])?;
        left -= piece as u64;
    }
    own(path)?;
    Ok(digest.finalize().into())
}

/// Makes a directory and those above it up to the data directory, each once.
fn make(directory: &Path, data: &Path, made: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    if !made.insert(directory.to_owned()) {
        return Ok(());
    }
    fs::create_dir_all(directory)?;
    for place in directory.ancestors().take_while(|place| *place != data) {
        own(place)?;
        if !made.insert(place.to_owned()) && place != directory {
            break;
        }
    }
    Ok(())
}

/// Makes it Synapse's. An ordinary user's one uid is Synapse's already.
fn own(path: &Path) -> io::Result<()> {
    match rustix::process::geteuid().is_root() {
        true => chown(path, Some(WORKLOAD_ID), Some(WORKLOAD_ID)),
        false => Ok(()),
    }
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
