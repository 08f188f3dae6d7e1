//! The one way from the outside into a workload's network: a listener of ours, a port of theirs.
//!
//! A listening socket belongs to the network namespace it was made in, wherever it is handed to. So the pod makes one on the
//! machine's loopback and hands it, as standard input, to a bridge that runs in the workload's namespace: what it accepts
//! comes from the machine, what it connects to is the workload. It ends with the workload, and ends the workload with its keeper.

use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::thread;

use anyhow::{Context, Result};
use rustix::process::Signal;

use super::process::{Process, first_to_end};

/// What a bridge is told on its command line.
#[derive(Debug)]
pub struct Bridge {
    /// The port on the workload's loopback.
    pub port: u16,
    /// The workload's first process.
    pub workload: i32,
    /// The process without which the pod shall not live on, if any.
    pub keeper: Option<i32>,
    /// The process for which the bridge is there, if it is not there for all; it ends with that one.
    pub guest: Option<i32>,
}

impl Bridge {
    /// A bridge to a port of the workload whose first process this is.
    pub fn to(port: u16, workload: i32) -> Self {
        Self {
            port,
            workload,
            keeper: None,
            guest: None,
        }
    }

    /// The same, ending the workload when the keeper ends.
    #[must_use]
    pub fn with_keeper(self, keeper: i32) -> Self {
        Self {
            keeper: Some(keeper),
            ..self
        }
    }

    /// The same, ending with the guest.
    #[must_use]
    pub fn with_guest(self, guest: i32) -> Self {
        Self {
            guest: Some(guest),
            ..self
        }
    }

    /// Carries connections from the listener on standard input to the port, until the workload ends.
    pub fn run(&self) -> Result<()> {
        let input: OwnedFd = io::stdin()
            .as_fd()
            .try_clone_to_owned()
            .context("failed to take the listener")?;
        let listener = TcpListener::from(input);
        listener
            .local_addr()
            .context("standard input is no listener")?;
        let port = self.port;
        thread::spawn(move || {
            for visitor in listener.incoming().flatten() {
                thread::spawn(move || carry(&visitor, port));
            }
        });
        self.watch()
    }

    fn watch(&self) -> Result<()> {
        let workload = Process::of(self.workload)?;
        let Some(workload_handle) = workload.handle()? else {
            return Ok(());
        };
        let mut handles = vec![workload_handle];
        if let Some(guest) = self.guest {
            let Some(guest) = Process::of(guest)
                .ok()
                .map(|guest| guest.handle())
                .transpose()?
                .flatten()
            else {
                return Ok(());
            };
            handles.push(guest);
            first_to_end(&handles).context("failed to watch the guest")?;
            return Ok(());
        }
        if let Some(keeper) = self.keeper {
            match Process::of(keeper)
                .ok()
                .map(|keeper| keeper.handle())
                .transpose()?
                .flatten()
            {
                Some(handle) => handles.push(handle),
                None => return workload.signal(Signal::KILL),
            }
        }
        match first_to_end(&handles).context("failed to watch the workload")? {
            0 => Ok(()),
            _ => workload.signal(Signal::KILL),
        }
    }
}

/// Carries one connection both ways; trouble on it is seen by both ends as a closed connection.
fn carry(visitor: &TcpStream, port: u16) {
    let Ok(host) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
        return;
    };
    thread::scope(|scope| {
        scope.spawn(|| pour(visitor, &host));
        pour(&host, visitor);
    });
}

fn pour(mut from: &TcpStream, mut to: &TcpStream) {
    let whole = io::copy(&mut from, &mut to).is_ok();
    // A clean end is passed on as such; after trouble neither side shall wait for the other.
    let _ = to.shutdown(if whole {
        Shutdown::Write
    } else {
        Shutdown::Both
    });
    if !whole {
        let _ = from.shutdown(Shutdown::Both);
    }
}
