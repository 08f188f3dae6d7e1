//! A server that says what no S3 server says: the test writes its answers byte by byte.

use std::io::{self, BufRead as _, BufReader, Read as _, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The most bytes of a request's head.
const HEAD: u64 = 64 << 10;
/// How long a client may be silent.
const SILENCE: Duration = Duration::from_secs(30);

/// A request, as far as an answer may depend on it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The method and the URL.
    pub line: String,
}

/// Where an answer is written; it counts, and fails when the client has hung up or the test is over.
#[derive(Debug)]
pub struct Reply {
    stream: TcpStream,
    sent: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

/// A running server; it stops when it is dropped.
#[derive(Debug)]
pub struct Raw {
    address: SocketAddr,
    sent: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Write for Reply {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.over.load(Ordering::Relaxed) {
            // Not `Interrupted`, which `write_all` would try again for ever.
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let written = self.stream.write(bytes)?;
        self.sent.fetch_add(written as u64, Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Reply {
    /// Writes the same bytes until nobody takes them any more.
    pub fn forever(&mut self, bytes: &[u8]) -> io::Result<()> {
        loop {
            self.write_all(bytes)?;
        }
    }
}

impl Raw {
    /// Starts a server that answers each request as `answer` does, and then closes the connection.
    pub fn start(
        answer: impl Fn(&Asked, &mut Reply) -> io::Result<()> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let (sent, over) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (counted, ended) = (Arc::clone(&sent), Arc::clone(&over));
        let answer = Arc::new(answer);
        let thread = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let (answer, sent, over) = (answer.clone(), counted.clone(), ended.clone());
                // How a connection ends is the client's affair.
                thread::spawn(move || drop(talk(stream, (sent, over), &*answer)));
            }
        });
        Ok(Self {
            address,
            sent,
            over,
            thread: Some(thread),
        })
    }

    /// The URL to give as `endpoint`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many bytes were taken from it.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Wakes whoever waits for a connection.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn talk(
    stream: TcpStream,
    (sent, over): (Arc<AtomicU64>, Arc<AtomicBool>),
    answer: &dyn Fn(&Asked, &mut Reply) -> io::Result<()>,
) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    let mut reader = BufReader::new(stream.try_clone()?).take(HEAD);
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line)?;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(told) = header.strip_prefix("content-length:") {
            length = told.trim().parse().unwrap_or(0);
        }
    }
    reader.set_limit(length);
    io::copy(&mut reader, &mut io::sink())?;
    let line = line.trim().to_owned();
    let mut reply = Reply { stream, sent, over };
    answer(&Asked { line }, &mut reply)?;
    reply.flush()
}
