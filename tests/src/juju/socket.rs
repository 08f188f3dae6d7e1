//! How a hook tool reaches the agent: a unix socket and two or four lines of JSON.
//!
//! The tool says who it is and what it was given; the agent may ask for standard input, and answers.
//! Programs of a run find the socket in `JUJU_AGENT_SOCKET_ADDRESS` and prove themselves with
//! `JUJU_CONTEXT_ID`, which is good for one run only.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::agent::{News, Secrets};
use super::context::Context;
use super::tools::{self, Outcome};

/// No line is longer than this: the kernel's limit for arguments is far below.
const LONGEST_LINE: u64 = 64 << 20;

/// What a tool asks of the agent.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    /// The run it belongs to.
    pub context: String,
    /// The tool's name.
    pub tool: String,
    /// Its arguments.
    pub argv: Vec<String>,
    /// Its working directory.
    pub cwd: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Reply {
    /// Send standard input, base64, as the next line.
    Stdin,
    /// The end.
    Done {
        stdout: String,
        stderr: String,
        exit: u8,
    },
    /// No such run.
    BadRequest(String),
}

/// Asks the agent at `socket`. `stdin` is read only when the agent wants it.
pub fn ask(socket: &Path, request: &Request, stdin: &mut dyn Read) -> io::Result<Outcome> {
    let mut stream = UnixStream::connect(Address::of(socket)?.path())?;
    send(&mut stream, request)?;
    let mut replies = BufReader::new(stream.try_clone()?);
    loop {
        match receive(&mut replies)? {
            Some(Reply::Stdin) => {
                let mut bytes = Vec::new();
                stdin.take(LONGEST_LINE / 2).read_to_end(&mut bytes)?;
                send(&mut stream, &STANDARD.encode(bytes))?;
            }
            Some(Reply::Done {
                stdout,
                stderr,
                exit,
            }) => {
                return Ok(Outcome {
                    stdout,
                    stderr,
                    exit,
                });
            }
            Some(Reply::BadRequest(text)) => {
                return Err(io::Error::other(format!("bad request: {text}")));
            }
            None => return Err(io::Error::other("connection is shut down")),
        }
    }
}

/// The agent's side of the socket, open for one run.
pub(super) struct Door {
    address: Address,
    desk: Arc<Desk>,
}

/// A socket's place, short enough for the kernel however long the path is: 107 bytes is all it takes.
struct Address {
    folder: File,
    name: OsString,
}

impl Address {
    fn of(path: &Path) -> io::Result<Self> {
        let name = path
            .file_name()
            .ok_or(io::ErrorKind::InvalidInput)?
            .to_owned();
        let folder = File::open(path.parent().unwrap_or(Path::new(".")))?;
        Ok(Address { folder, name })
    }

    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.folder.as_raw_fd())).join(&self.name)
    }
}

struct Desk {
    id: String,
    context: Mutex<Context>,
    secrets: Option<Secrets>,
    shut: AtomicBool,
    first_call: OnceLock<Instant>,
    seen: SyncSender<News>,
}

impl Door {
    /// Opens the socket at `path` for the run `id`; immediate effects go to `seen` as they happen.
    pub(super) fn open(
        path: &Path,
        id: String,
        context: Context,
        secrets: Option<Secrets>,
        seen: SyncSender<News>,
    ) -> io::Result<Self> {
        let address = Address::of(path)?;
        match std::fs::remove_file(address.path()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(address.path())?;
        let desk = Arc::new(Desk {
            id,
            context: Mutex::new(context),
            secrets,
            shut: AtomicBool::new(false),
            first_call: OnceLock::new(),
            seen,
        });
        let served = Arc::clone(&desk);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if served.shut.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let served = Arc::clone(&served);
                // A tool that goes away in the middle is its own trouble, not the agent's.
                thread::spawn(move || served.serve(stream).ok());
            }
        });
        Ok(Door { address, desk })
    }

    /// When the first tool called.
    pub(super) fn first_call(&self) -> Option<Instant> {
        self.desk.first_call.get().copied()
    }

    /// Shuts the socket; gives the context with all that the tools did.
    pub(super) fn close(self) -> Context {
        std::mem::take(&mut *self.desk.context())
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.desk.shut.store(true, Ordering::SeqCst);
        // The listener waits for one more caller; this is it.
        drop(UnixStream::connect(self.address.path()));
        drop(std::fs::remove_file(self.address.path()));
    }
}

impl Desk {
    fn context(&self) -> MutexGuard<'_, Context> {
        self.context.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut stream: UnixStream) -> io::Result<()> {
        self.first_call.get_or_init(Instant::now);
        let mut requests = BufReader::new(stream.try_clone()?);
        let Some(request) = receive::<Request>(&mut requests)? else {
            return Ok(());
        };
        if request.context != self.id || self.shut.load(Ordering::SeqCst) {
            let text = format!("bad context id {:?}", request.context);
            return send(&mut stream, &Reply::BadRequest(text));
        }
        // One tool at a time: the lock is held until this one is done.
        let mut context = self.context();
        if request.tool == "secret-get"
            && let Some(secrets) = &self.secrets
        {
            // Unlike all else, they are not as they were when the run began.
            context.renew_secrets(secrets());
        }
        let before = context.effects.immediate.len();
        let mut stdin = || {
            send(&mut stream, &Reply::Stdin)?;
            let text = receive::<String>(&mut requests)?.unwrap_or_default();
            STANDARD.decode(text).map_err(io::Error::other)
        };
        let outcome = tools::invoke(
            &request.tool,
            &request.argv,
            &request.cwd,
            &mut stdin,
            &mut context,
        );
        let news = context.effects.immediate[before..].to_vec();
        drop(context);
        if !news.is_empty() {
            // Nobody listens any more once the run has ended.
            self.seen.send(News::Effects(news)).ok();
        }
        let Outcome {
            stdout,
            stderr,
            exit,
        } = outcome;
        send(
            &mut stream,
            &Reply::Done {
                stdout,
                stderr,
                exit,
            },
        )
    }
}

fn send<T: Serialize>(stream: &mut UnixStream, message: &T) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    stream.write_all(&line)
}

fn receive<T: for<'de> Deserialize<'de>>(
    lines: &mut BufReader<UnixStream>,
) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    lines.take(LONGEST_LINE).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&line)?))
}
