//! What a container sees: the arguments of bubblewrap that build its root.
//!
//! Both containers stand on the machine's own libraries, read-only, and on a short list of its programs: what a slim image has.
//! In particular there is no gpg, no Python and no S3 client of the machine to lean on by mistake.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::parts;

/// The programs of a slim image that the containers get.
const PROGRAMS: &[&str] = &[
    "bash", "cat", "chmod", "chown", "cp", "date", "dd", "df", "dirname", "du", "echo", "env",
    "false", "find", "grep", "gzip", "head", "id", "kill", "ln", "ls", "mkdir", "mktemp", "mv",
    "printf", "pwd", "readlink", "rm", "rmdir", "sed", "sh", "sleep", "sort", "stat", "sync",
    "tail", "tar", "tee", "test", "timeout", "touch", "tr", "true", "truncate", "uname", "wc",
];

/// What of the machine's `/usr` and `/etc` is shown as it is, where it exists.
const SHOWN: &[&str] = &[
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libx32",
    "/usr/share/ca-certificates",
    "/usr/share/zoneinfo",
    "/etc/ld.so.cache",
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
];

/// A container's view, built up mount by mount.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    arguments: Vec<OsString>,
    parents: BTreeSet<PathBuf>,
}

impl View {
    /// The common ground: libraries, programs, devices, nothing that can be written but a root in memory.
    pub(crate) fn slim(hostname: &str) -> Result<Self> {
        let mut view = Self::default();
        view.option([
            "--unshare-uts",
            "--unshare-ipc",
            "--hostname",
            hostname,
            "--new-session",
        ]);
        for shown in SHOWN {
            view.show_if_there(Path::new(shown), Path::new(shown));
        }
        for name in PROGRAMS {
            let program =
                parts::on_path(name).with_context(|| format!("this machine has no {name}"))?;
            view.show(&program, &Path::new("/usr/bin").join(name));
        }
        for (link, target) in [("/bin", "usr/bin"), ("/sbin", "usr/sbin")] {
            view.option(["--symlink", target, link]);
        }
        for library in ["/lib", "/lib32", "/lib64", "/libx32"] {
            view.library(Path::new(library));
        }
        for device in ["null", "zero", "full", "random", "urandom", "tty"] {
            let device = Path::new("/dev").join(device);
            view.bind("--dev-bind", &device, &device);
        }
        for (link, target) in [
            ("fd", "/proc/self/fd"),
            ("stdin", "fd/0"),
            ("stdout", "fd/1"),
            ("stderr", "fd/2"),
        ] {
            view.option(["--symlink", target, &format!("/dev/{link}")]);
        }
        view.option([
            "--tmpfs",
            "/dev/shm",
            "--dir",
            "/usr/sbin",
            "--dir",
            "/run",
            "--dir",
            "/var/log",
            "--dir",
            "/root",
        ]);
        Ok(view)
    }

    /// Shows an ordinary user's one uid as the workload's.
    pub(crate) fn user(&mut self) {
        if super::own_user().is_some() {
            let id = super::WORKLOAD_ID.to_string();
            self.option(["--unshare-user", "--uid", &id, "--gid", &id]);
        }
    }

    /// Adds plain options.
    pub(crate) fn option<S: Into<OsString>>(&mut self, words: impl IntoIterator<Item = S>) {
        self.arguments.extend(words.into_iter().map(Into::into));
    }

    /// Shows a file or directory, read-only.
    pub(crate) fn show(&mut self, outside: &Path, inside: &Path) {
        self.bind("--ro-bind", outside, inside);
    }

    /// Shows a file or directory, read-only, when it exists.
    pub(crate) fn show_if_there(&mut self, outside: &Path, inside: &Path) {
        self.bind("--ro-bind-try", outside, inside);
    }

    /// Mounts a directory for reading and writing.
    pub(crate) fn mount(&mut self, outside: &Path, inside: &Path) {
        self.bind("--bind", outside, inside);
    }

    /// Shows the Python environment `environment` where the stock image has its own: at /usr/local.
    pub(crate) fn python(&mut self, environment: &Path) -> Result<()> {
        let local = Path::new("/usr/local");
        let interpreter = fs::canonicalize(environment.join("bin/python3"))
            .context("failed to find the Python of Synapse")?;
        let (Some(base), Some(name)) = (interpreter.ancestors().nth(2), interpreter.file_name())
        else {
            anyhow::bail!("{} lies in no directory bin/", interpreter.display());
        };
        if base == local {
            // The base itself lies there: its own files, and the environment's packages over its packages.
            self.show(&local.join("lib"), &local.join("lib"));
            self.show(
                &packages(&environment.join("lib"))?,
                &packages(&local.join("lib"))?,
            );
            self.show(&interpreter, &local.join("bin").join(name));
            self.show(&interpreter, &local.join("bin/python3"));
            return Ok(());
        }
        self.show(environment, local);
        if base == Path::new("/usr") {
            self.show(&interpreter, &interpreter);
        } else {
            self.show(base, base);
        }
        Ok(())
    }

    /// The arguments so far.
    pub(crate) fn into_arguments(self) -> Vec<OsString> {
        self.arguments
    }

    fn bind(&mut self, how: &str, outside: &Path, inside: &Path) {
        // Parents that bubblewrap makes by itself are closed to all but their owner, and the workload drops to another user.
        let parents: Vec<PathBuf> = inside.ancestors().skip(1).map(Path::to_owned).collect();
        for parent in parents.into_iter().rev().skip(1) {
            if self.parents.insert(parent.clone()) {
                self.option([OsString::from("--dir"), parent.into()]);
            }
        }
        self.option([OsString::from(how), outside.into(), inside.into()]);
    }

    /// A directory of libraries at the root: a link on a machine with a merged /usr, else a directory.
    fn library(&mut self, library: &Path) {
        match fs::read_link(library) {
            Ok(target) => self.option([OsString::from("--symlink"), target.into(), library.into()]),
            Err(_) => self.show_if_there(library, library),
        }
    }
}

/// The one `python3.N/site-packages` below a directory of libraries.
fn packages(library: &Path) -> Result<PathBuf> {
    fs::read_dir(library)?
        .filter_map(|entry| Some(entry.ok()?.path().join("site-packages")))
        .find(|packages| packages.is_dir())
        .with_context(|| format!("no site-packages below {}", library.display()))
}
