//! What stands before a server: TLS for one that has none, or a line that is cut.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use anyhow::Result;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, copy, copy_bidirectional, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::certificates::Certificate;

/// Passes connections on to a server; it stops when it is dropped, and all connections with it.
#[derive(Debug)]
pub struct Front {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    cut: Arc<AtomicUsize>,
}

/// What it does to each connection.
#[derive(Clone)]
struct Manner {
    tls: Option<TlsAcceptor>,
    /// How many bytes of a client pass before its connection is cut.
    cut_after: Option<u64>,
    /// How many it has cut.
    cut: Arc<AtomicUsize>,
}

impl Front {
    /// Speaks TLS with clients and plainly with the server.
    pub fn tls(certificate: &Certificate, server: SocketAddr) -> Result<Self> {
        Self::start(server, Some(certificate.acceptor()?), None)
    }

    /// Cuts each connection when so many bytes of the client have passed.
    pub fn cutting(after: u64, server: SocketAddr) -> Result<Self> {
        Self::start(server, None, Some(after))
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it has cut.
    #[must_use]
    pub fn cut(&self) -> usize {
        self.cut.load(Ordering::Relaxed)
    }

    fn start(server: SocketAddr, tls: Option<TlsAcceptor>, cut_after: Option<u64>) -> Result<Self> {
        let cut = Arc::new(AtomicUsize::new(0));
        let manner = Manner {
            tls,
            cut_after,
            cut: cut.clone(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, mut stopped) = oneshot::channel();
        let serve = async move {
            let Ok(listener) = TcpListener::from_std(listener) else {
                return;
            };
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    _ = &mut stopped => return,
                    Some(_) = connections.join_next() => {}
                    accepted = listener.accept() => if let Ok((client, _)) = accepted {
                        connections.spawn(pass(client, server, manner.clone()));
                    },
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("front".to_owned())
            .spawn(move || runtime.block_on(serve))?;
        Ok(Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
            cut,
        })
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn pass(client: TcpStream, server: SocketAddr, manner: Manner) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    match &manner.tls {
        None => join(client, server, &manner).await,
        Some(tls) => {
            if let Ok(client) = tls.accept(client).await {
                join(client, server, &manner).await;
            }
        }
    }
}

/// Joins two connections. How they end is the two ends' affair.
async fn join(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    mut server: TcpStream,
    manner: &Manner,
) {
    let Some(cut_after) = manner.cut_after else {
        let _ = copy_bidirectional(&mut client, &mut server).await;
        return;
    };
    let (from_client, mut to_client) = split(client);
    let (mut from_server, mut to_server) = server.into_split();
    tokio::select! {
        // To drop both halves of both cuts the connections.
        Ok(passed) = async { copy(&mut from_client.take(cut_after), &mut to_server).await } => {
            if passed == cut_after {
                manner.cut.fetch_add(1, Ordering::Relaxed);
            }
        }
        _ = copy(&mut from_server, &mut to_client) => (),
        else => (),
    }
}
