//! Backups as the Python charm made them: one object, by the real `tar` and `gpg`, called as that charm called them.
//!
//! That charm ran a line of bash in the workload, as Synapse's user: `tar -c` of what it had found, piped into
//! `gpg --symmetric`, piped into the AWS CLI. The paths were those below `/data` that match `*.key` and `homeserver.db*`, and
//! in the media store those that match `local_*`. Here the same line runs in a view that has a directory of the test's at
//! `/data`, and the object comes out of it. Nothing is stopped meanwhile, just as there.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::parts;
use crate::pod::view::View;

/// Where that charm left its passphrase, on the data volume.
const PASSPHRASE_FILE: &str = "/data/.gpg_backup_passphrase";
/// Where Synapse's home was in its image.
const HOME: &str = "/srv/synapse";
const DATA: &str = "/data";
/// The media store that it took when the configuration named none.
const MEDIA_STORE: &str = "/media_store";

/// That charm, beside a data directory.
#[derive(Debug)]
pub struct PythonCharm {
    data: PathBuf,
    media_store: Option<PathBuf>,
    passphrase: String,
}

/// What may differ from one of its backups to the next.
#[derive(Debug, Clone, Copy, Default)]
pub struct Variant {
    /// More options for `tar`.
    pub tar: &'static [&'static str],
    /// More options for `gpg`.
    pub gpg: &'static [&'static str],
}

impl Variant {
    /// All that the programs in its images could have been told or built to do, by name.
    pub const ALL: &[(&str, Self)] = &[
        ("as it was", Self { tar: &[], gpg: &[] }),
        ("absolute names", tar(&["--absolute-names"])),
        ("names of owners", tar(&["--owner=synapse:991"])),
        ("small records", tar(&["--blocking-factor=1"])),
        ("zip", gpg(&["--compress-algo", "zip"])),
        ("zlib", gpg(&["--compress-algo", "zlib"])),
        ("bzip2", gpg(&["--compress-algo", "bzip2"])),
        ("fastest zip", gpg(&["-z", "1"])),
        ("not compressed", gpg(&["-z", "0"])),
        ("AES-128", gpg(&["--cipher-algo", "AES"])),
        ("AES-192", gpg(&["--cipher-algo", "AES192"])),
        ("AES-256", gpg(&["--cipher-algo", "AES256"])),
        ("SHA-1 for the key", gpg(&["--s2k-digest-algo", "SHA1"])),
        ("SHA-512 for the key", gpg(&["--s2k-digest-algo", "SHA512"])),
        ("salted once", gpg(&["--s2k-mode", "1"])),
        ("few rounds", gpg(&["--s2k-count", "1024"])),
        (
            "absolute names, not compressed",
            Self {
                tar: &["--absolute-names"],
                gpg: &["-z", "0"],
            },
        ),
    ];
}

const fn tar(tar: &'static [&'static str]) -> Variant {
    Variant { tar, gpg: &[] }
}

const fn gpg(gpg: &'static [&'static str]) -> Variant {
    Variant { tar: &[], gpg }
}

impl PythonCharm {
    /// The charm of the server whose data lies in this directory.
    pub fn at(data: &Path, passphrase: &str) -> Self {
        Self {
            data: data.to_owned(),
            media_store: None,
            passphrase: passphrase.to_owned(),
        }
    }

    /// The same, with its media in a directory outside of the data.
    #[must_use]
    pub fn with_media_store(mut self, directory: &Path) -> Self {
        self.media_store = Some(directory.to_owned());
        self
    }

    /// A backup as it was made; gives the object.
    pub fn backup(&self) -> Result<Vec<u8>> {
        self.backup_as(&Variant::default())
    }

    /// The same, in a variant.
    pub fn backup_as(&self, variant: &Variant) -> Result<Vec<u8>> {
        let paths = self.paths()?;
        ensure!(!paths.is_empty(), "there are no paths to back up");
        self.sealed(&line(&paths, variant))
    }

    /// What else a shell in that place seals when it is given this line instead of `tar`.
    pub fn sealed_output_of(&self, command: &str) -> Result<Vec<u8>> {
        self.sealed(&format!("set -euo pipefail; {command} | {}", seal(&[])))
    }

    fn sealed(&self, line: &str) -> Result<Vec<u8>> {
        let room = tempfile::tempdir()?;
        let file = self.data.join(PASSPHRASE_FILE.trim_start_matches("/data/"));
        fs::write(&file, &self.passphrase)?;
        let output = self.command(room.path(), line)?.output()?;
        fs::remove_file(&file)?;
        // A file that changed while it was read is 1; that charm called it a failure, and the object was in the bucket.
        if !matches!(output.status.code(), Some(0 | 1)) || output.stdout.is_empty() {
            bail!(
                "{line}: {}: {}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(output.stdout)
    }

    /// What it found worth saving, in its order: the patterns one after the other, each as Pebble lists it.
    pub(crate) fn paths(&self) -> Result<Vec<String>> {
        let mut paths = matching(&self.data, DATA, |name| name.ends_with(".key"))?;
        paths.extend(matching(&self.data, DATA, |name| {
            name.starts_with("homeserver.db")
        })?);
        let (media, inside) = match &self.media_store {
            Some(directory) => (directory.clone(), MEDIA_STORE.to_owned()),
            None => (self.data.join("media"), format!("{DATA}/media")),
        };
        if media.is_dir() {
            paths.extend(matching(&media, &inside, |name| {
                name.starts_with("local_")
            })?);
        }
        Ok(paths)
    }

    /// A line of bash in a view that has the data at its place, and the programs that the image had.
    fn command(&self, room: &Path, line: &str) -> Result<Command> {
        let mut view = View::slim("synapse-0")?;
        for name in ["gpg", "gpg-agent"] {
            let program = parts::machine_program(name, "gnupg")?;
            view.show(&program, &Path::new("/usr/bin").join(name));
        }
        let users = room.join("passwd");
        fs::write(
            &users,
            "root:x:0:0::/root:/bin/sh\nsynapse:x:991:991::/srv/synapse:/bin/sh\n",
        )?;
        view.show(&users, Path::new("/etc/passwd"));
        let home = room.join("home");
        fs::create_dir(&home)?;
        fs::set_permissions(&home, Permissions::from_mode(0o700))?;
        view.mount(&home, Path::new(HOME));
        view.mount(&self.data, Path::new(DATA));
        if let Some(directory) = &self.media_store {
            view.mount(directory, Path::new(MEDIA_STORE));
        }
        // An agent that gpg may start ends with the view.
        view.option(["--proc", "/proc", "--unshare-pid", "--die-with-parent"]);
        view.option(["--setenv", "HOME", HOME, "--setenv", "LC_ALL", "C"]);
        let mut command = Command::new(parts::machine_program("bwrap", "bubblewrap")?);
        command
            .args(view.into_arguments())
            .args(["/usr/bin/bash", "-c", line]);
        Ok(command)
    }
}

/// The charm's line, but for the AWS CLI at its end.
fn line(paths: &[String], variant: &Variant) -> String {
    let quoted: Vec<String> = paths.iter().map(|path| format!("'{path}'")).collect();
    let tar = [&["tar"], variant.tar, &["-c"]].concat().join(" ");
    let seal = seal(variant.gpg);
    format!("set -euxo pipefail; {tar} {} | {seal}", quoted.join(" "))
}

fn seal(more: &[&str]) -> String {
    let more: String = more.iter().map(|option| format!("{option} ")).collect();
    format!("gpg --batch --no-symkey-cache {more}--passphrase-file '{PASSPHRASE_FILE}' --symmetric")
}

/// Names in a directory that match, sorted, as paths of the container.
fn matching(directory: &Path, inside: &str, matches: fn(&str) -> bool) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).context("failed to list what is to be saved")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if matches(&name) {
            names.push(format!("{inside}/{name}"));
        }
    }
    names.sort();
    Ok(names)
}

/// Makes a database that is in use: some of its rows are committed and stand in its write-ahead log only.
///
/// What is left in `data` is what a copy of the three files takes away from a running server: the table `told` holds
/// `early` in the main file, and `late` in the log.
pub fn busy_database(data: &Path) -> Result<()> {
    let output = Command::new(parts::synapse()?.join("bin/python3"))
        .args(["-c", BUSY])
        .arg(data)
        .output()?;
    ensure!(
        output.status.success(),
        "no database: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

const BUSY: &str = r#"
import pathlib, shutil, sqlite3, sys, tempfile
target = pathlib.Path(sys.argv[1])
with tempfile.TemporaryDirectory() as room:
    path = pathlib.Path(room, "homeserver.db")
    live = sqlite3.connect(path, isolation_level=None)
    live.execute("PRAGMA journal_mode = WAL")
    live.execute("PRAGMA wal_autocheckpoint = 0")
    live.execute("CREATE TABLE told (word TEXT)")
    live.execute("CREATE TABLE schema_version (version INTEGER, upgraded INTEGER)")
    live.execute("CREATE TABLE schema_compat_version (compat_version INTEGER)")
    live.execute("INSERT INTO schema_version VALUES (93, 1)")
    live.execute("INSERT INTO schema_compat_version VALUES (90)")
    live.execute("INSERT INTO told VALUES ('early')")
    live.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    live.execute("INSERT INTO told VALUES ('late')")
    for name in ("homeserver.db", "homeserver.db-wal", "homeserver.db-shm"):
        shutil.copyfile(path.with_name(name), target / name)
    live.close()
"#;
