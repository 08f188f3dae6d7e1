//! A named pipe in the directory that this container and the workload's share.
//!
//! ```text
//! <shared>/                        whoever may write here may also put another daemon's socket here
//!     bulk-<random>/    ours, 0711: nobody else makes, renames or removes anything in it
//!         stream        the command's user's, 0200 or 0400: nobody else opens it
//! ```
//!
//! What passes is in the kernel's memory only. The command names the pipe by its path, and `tar` makes a file where it
//! finds nothing: but its user cannot write to our directory, and if that user is our own the directory is renamed before
//! the pipe goes. So at no time a plain file can come to lie at that path. Everything here goes by open directories and
//! follows no links, as the workload may write to the shared one.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{
    AtFlags, Dir, FlockOperation, Mode, OFlags, Uid, chmodat, chownat, fchmod, flock, fstat,
    mkdirat, mkfifoat, open, openat, renameat, unlinkat,
};
use rustix::io::Errno;
use rustix::pipe::fcntl_setpipe_size;
use rustix::process::geteuid;
use tokio::net::unix::pipe;

/// What the names of our directories begin with.
const PREFIX: &str = "bulk-";

/// What is added to the name of one that is being removed.
const GONE: &str = "-gone";

/// The pipe's name in its directory.
const STREAM: &str = "stream";

/// What the kernel may hold of a stream. It is what an ordinary user may ask for; root in a container is often no more.
const KERNEL_BYTES: usize = 1024 * 1024;

/// Who opens the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Far {
    Reads,
    Writes,
}

/// A named pipe and the directory that it lies in; dropped, both are gone.
#[derive(Debug)]
pub(super) struct Fifo {
    shared: OwnedFd,
    name: String,
    /// Whether the command has our own user.
    own: bool,
    /// Locked, so that a sweep takes it for no leftover.
    room: OwnedFd,
}

impl Fifo {
    /// Makes one that only this process's user can open yet.
    pub(super) fn make(shared: &Path) -> io::Result<Self> {
        let shared = directory(open(shared, DIRECTORY, Mode::empty()))?;
        let name = name()?;
        mkdirat(&shared, &name, Mode::RWXU)?;
        let made = openat(&shared, &name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty());
        let fifo = Self {
            room: directory(made)?,
            shared,
            name,
            own: true,
        };
        if !is_own(&fifo.room)? {
            return Err(io::Error::other("the directory was exchanged"));
        }
        flock(&fifo.room, FlockOperation::NonBlockingLockExclusive)?;
        mkfifoat(&fifo.room, STREAM, Mode::RUSR | Mode::WUSR)?;
        Ok(fifo)
    }

    /// Lets this user, and nobody else, open the other end.
    pub(super) fn allow(&mut self, user: u32, far: Far) -> io::Result<()> {
        let user = Uid::from_raw(user);
        if user == geteuid() {
            return Ok(());
        }
        let mode = match far {
            Far::Reads => Mode::RUSR,
            Far::Writes => Mode::WUSR,
        };
        chmodat(&self.room, STREAM, mode, AtFlags::empty())?;
        chownat(
            &self.room,
            STREAM,
            Some(user),
            None,
            AtFlags::SYMLINK_NOFOLLOW,
        )?;
        self.own = false;
        Ok(fchmod(&self.room, Mode::from_raw_mode(0o711))?)
    }

    /// The pipe's path below the shared directory.
    pub(super) fn path(&self) -> String {
        format!("{}/{STREAM}", self.name)
    }

    /// Opens the end that is read from. It reads nothing, and no end either, until somebody has opened the other one.
    pub(super) fn receiver(&self) -> io::Result<pipe::Receiver> {
        let receiver = pipe::Receiver::from_file(self.end(OFlags::RDONLY)?)?;
        widen(&receiver);
        Ok(receiver)
    }

    /// Opens the end that is written to; `None` as long as nobody has opened the other one.
    pub(super) fn sender(&self) -> io::Result<Option<pipe::Sender>> {
        let end = match self.end(OFlags::WRONLY) {
            Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {
                return Ok(None);
            }
            end => end?,
        };
        let sender = pipe::Sender::from_file(end)?;
        widen(&sender);
        Ok(Some(sender))
    }

    fn end(&self, access: OFlags) -> io::Result<File> {
        let how = access | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(&self.room, STREAM, how, Mode::empty())?.into())
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        let gone = format!("{}{GONE}", self.name);
        // From then on the path that the command was given leads nowhere.
        if self.own && renameat(&self.shared, &self.name, &self.shared, &gone).is_ok() {
            self.name = gone;
        }
        remove(&self.shared, &self.name, &self.room);
    }
}

/// Removes what killed runs have left in the shared directory; gives the number.
pub(super) fn sweep(shared: &Path) -> io::Result<usize> {
    let shared = directory(open(shared, DIRECTORY, Mode::empty()))?;
    let mut swept = 0;
    for entry in Dir::read_from(&shared)? {
        let entry = entry?;
        let Some(name) = entry.file_name().to_str().ok().filter(|name| is_ours(name)) else {
            continue;
        };
        // Whatever cannot be opened, is another's or is in use is let be.
        let Ok(room) = openat(&shared, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()) else {
            continue;
        };
        let free = flock(&room, FlockOperation::NonBlockingLockExclusive).is_ok();
        if free && is_own(&room)? {
            remove(&shared, name, &room);
            swept += 1;
        }
    }
    Ok(swept)
}

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

fn directory(opened: Result<OwnedFd, Errno>) -> io::Result<OwnedFd> {
    opened.map_err(io::Error::from)
}

/// Removes a directory and the pipe in it, if there is one.
fn remove(shared: &OwnedFd, name: &str, room: &OwnedFd) {
    let removed = unlinkat(room, STREAM, AtFlags::empty())
        .or_else(|error| (error == Errno::NOENT).then_some(()).ok_or(error))
        .and_then(|()| unlinkat(shared, name, AtFlags::REMOVEDIR));
    if let Err(error) = removed {
        // The next run sweeps.
        tracing::debug!(%error, "a pipe's directory stays");
    }
}

fn name() -> io::Result<String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let random = random.iter().map(|byte| format!("{byte:02x}"));
    Ok(format!("{PREFIX}{}", random.collect::<String>()))
}

fn is_ours(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else {
        return false;
    };
    let random = rest.strip_suffix(GONE).unwrap_or(rest);
    random.len() == 32 && random.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_own(room: &OwnedFd) -> io::Result<bool> {
    Ok(fstat(room)?.st_uid == geteuid().as_raw())
}

/// A pipe of the usual 64 KiB works as well.
fn widen(end: impl std::os::fd::AsFd) {
    if let Err(error) = fcntl_setpipe_size(end, KERNEL_BYTES) {
        tracing::debug!(%error, "the pipe stays narrow");
    }
}
