//! The one way from a workload's network to the outside: a port of theirs, a socket with a path of ours.
//!
//! A socket with a path can be reached from every network, so a bridge that runs in the workload's network listens there
//! on loopback and carries what comes to the socket. A world has one where it has a PostgreSQL server.

use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;

use anyhow::{Context, Result};

use super::container::Container;
use super::process::{Process, first_to_end};
use crate::{parts, postgres};

/// What such a bridge is told on its command line.
#[derive(Debug)]
pub struct Outward {
    /// The port on the workload's loopback.
    pub port: u16,
    /// The socket outside.
    pub socket: PathBuf,
    /// The workload's first process; the bridge ends with it.
    pub workload: i32,
}

/// Opens the way to the PostgreSQL server that the environment names, if it names one.
pub(super) fn open(container: &Container) -> Result<()> {
    let Some(sockets) = std::env::var_os(postgres::VARIABLE) else {
        return Ok(());
    };
    let first = container.first().context("the container does not run")?;
    let socket = Path::new(&sockets).join(format!(".s.PGSQL.{}", postgres::PORT));
    let mut bridge = container
        .enter(&["net"], Path::new("/"))
        .arg(parts::program("pod-bridge")?)
        .arg("outward")
        .arg(postgres::PORT.to_string())
        .arg(socket)
        .arg(first.id().to_string())
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("failed to start the bridge to PostgreSQL")?;
    thread::spawn(move || bridge.wait());
    Ok(())
}

impl Outward {
    /// Carries connections from the port to the socket, until the workload ends.
    pub fn run(&self) -> Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port))
            .with_context(|| format!("failed to listen on port {}", self.port))?;
        let socket = self.socket.clone();
        thread::spawn(move || {
            for visitor in listener.incoming().flatten() {
                let socket = socket.clone();
                thread::spawn(move || carry(&visitor, &socket));
            }
        });
        if let Some(workload) = Process::of(self.workload)?.handle()? {
            first_to_end(&[workload]).context("failed to watch the workload")?;
        }
        Ok(())
    }
}

/// Carries one connection both ways; when the server is gone, the visitor sees a connection that is closed at once.
fn carry(visitor: &TcpStream, socket: &Path) {
    let Ok(server) = UnixStream::connect(socket) else {
        return;
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ = io::copy(&mut &*visitor, &mut &server);
            let _ = server.shutdown(Shutdown::Write);
        });
        let _ = io::copy(&mut &server, &mut &*visitor);
        let _ = visitor.shutdown(Shutdown::Both);
    });
}
