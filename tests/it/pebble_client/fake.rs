//! A daemon that says what it is told to say, for what a real one says only by chance.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use synapse_operator::pebble::Client;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The end marker as a frame.
pub(crate) const END: &[u8] = b"\x81\x11{\"command\":\"end\"}";

/// What to do with one request.
pub(crate) enum Reply {
    /// These bytes, then the end of the connection.
    Raw(Vec<u8>),
    /// The first bytes, then the second ones for ever.
    Endless(Vec<u8>, Vec<u8>),
    /// Nothing, for ever.
    Silence,
    /// A websocket that sends these bytes, then ends or, with `true`, stays open.
    Socket(Vec<u8>, bool),
}

impl Reply {
    /// A plain answer with a JSON body.
    pub(crate) fn json(status: u16, body: &str) -> Self {
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        Self::Raw((head + body).into_bytes())
    }

    /// A good answer with this result.
    pub(crate) fn ok(result: &str) -> Self {
        Self::json(
            200,
            &format!(r#"{{"type":"sync","status-code":200,"status":"OK","result":{result}}}"#),
        )
    }
}

/// The daemon; it ends when it is dropped.
pub(crate) struct Fake {
    home: TempDir,
    sent: Arc<AtomicUsize>,
    _task: JoinSet<()>,
}

impl Fake {
    /// Starts one that answers `METHOD path` as the script says.
    pub(crate) fn start(script: impl Fn(&str) -> Reply + Send + 'static) -> Self {
        let home = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(home.path().join("socket")).unwrap();
        let sent = Arc::new(AtomicUsize::new(0));
        let mut task = JoinSet::new();
        let count = sent.clone();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (asked, key) = head(&mut stream).await;
                connections.spawn(answer(stream, script(&asked), key, count.clone()));
            }
        });
        Self {
            home,
            sent,
            _task: task,
        }
    }

    /// One whose exec ends with this change, and whose stdio says this.
    pub(crate) fn with_exec(
        stdio: impl Fn() -> Reply + Send + 'static,
        change: &'static str,
    ) -> Self {
        Self::start(move |asked| match asked {
            "POST /v1/exec" => Reply::json(
                202,
                r#"{"type":"async","status-code":202,"change":"7","result":{"task-id":"8","environment":{"A":"b"}}}"#,
            ),
            "GET /v1/tasks/8/websocket/control" => Reply::Socket(Vec::new(), false),
            "GET /v1/tasks/8/websocket/stdio" => stdio(),
            "GET /v1/tasks/8/websocket/stderr" => Reply::Socket(END.to_vec(), true),
            _ => Reply::ok(change),
        })
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.socket())
    }

    pub(crate) fn socket(&self) -> impl AsRef<Path> + Into<std::path::PathBuf> + use<> {
        self.home.path().join("socket")
    }

    /// How many bytes anybody has taken.
    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }
}

/// Reads a request's head; tells its method and path, and its websocket key if it has one.
async fn head(stream: &mut UnixStream) -> (String, Option<String>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let mut words = head.split([' ', '?']);
    let asked = format!("{} {}", words.next().unwrap(), words.next().unwrap());
    let key = head
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
    (asked, key.map(str::to_owned))
}

async fn answer(mut stream: UnixStream, reply: Reply, key: Option<String>, sent: Arc<AtomicUsize>) {
    match reply {
        Reply::Raw(bytes) => {
            let _ = stream.write_all(&bytes).await;
        }
        Reply::Endless(first, again) => {
            let _ = stream.write_all(&first).await;
            while stream.write_all(&again).await.is_ok() {
                sent.fetch_add(again.len(), Ordering::Relaxed);
            }
        }
        Reply::Silence => std::future::pending().await,
        Reply::Socket(bytes, open) => {
            let accept = derive_accept_key(key.unwrap().as_bytes());
            let head = format!(
                "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
            );
            let _ = stream.write_all(&[head.as_bytes(), &bytes].concat()).await;
            if open {
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
            }
        }
    }
}
