//! The store in this process, on a port of its own.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use hyper::HeaderMap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::answers;
use super::certificates::Certificate;
use super::faults::{Fault, Faults};
use super::keys::Keys;
use super::quirks::{Quirk, Quirks};
use super::requests::Operation;
use super::shelf::Shelf;
use super::store::Store;
use super::uploads::Uploads;

/// How a store is set up.
#[derive(Debug)]
pub struct Options {
    /// Where the objects lie; a directory that is removed with the server unless one is named.
    pub directory: Option<PathBuf>,
    /// The port, 0 for any.
    pub port: u16,
    /// The access key.
    pub access_key: String,
    /// The secret key.
    pub secret_key: String,
    /// The bucket that is there from the start.
    pub bucket: String,
    /// Speaks TLS with this certificate.
    pub certificate: Option<Certificate>,
    /// The ways that it has and other stores have not.
    pub quirks: Vec<Quirk>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            directory: None,
            port: 0,
            access_key: "the-access-key".to_owned(),
            secret_key: "the-secret-key".to_owned(),
            bucket: "demo".to_owned(),
            certificate: None,
            quirks: Vec::new(),
        }
    }
}

/// A running store; it stops when it is dropped.
///
/// It runs on a thread of its own, so that it answers whatever the test's own runtime does.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    options: Options,
    directory: PathBuf,
    faults: Faults,
    uploads: Arc<Uploads>,
    shelf: Arc<Shelf>,
    quirks: Quirks,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    keys: Keys,
    _temporary: Option<tempfile::TempDir>,
}

impl Server {
    /// Starts a store; it answers when this returns.
    pub fn start(options: Options) -> Result<Self> {
        let temporary = match &options.directory {
            Some(_) => None,
            None => Some(tempfile::tempdir().context("no temporary directory")?),
        };
        let directory = match (&options.directory, &temporary) {
            (Some(directory), _) => directory.clone(),
            (None, Some(temporary)) => temporary.path().to_owned(),
            (None, None) => return Err(anyhow!("no directory")),
        };
        let shelf = Arc::new(
            Shelf::new(&directory)
                .with_context(|| format!("cannot use {}", directory.display()))?,
        );
        shelf.create_bucket(&options.bucket)?;
        shelf.be_late(&options.quirks);
        let (faults, uploads) = (Faults::default(), Arc::new(Uploads::default()));
        let quirks = Quirks::new(options.quirks.clone());
        let mut builder = S3ServiceBuilder::new(Store {
            shelf: shelf.clone(),
            uploads: uploads.clone(),
            quirks: quirks.clone(),
        });
        let keys = Keys::new(&options.access_key, &options.secret_key);
        builder.set_auth(keys.clone());
        // How late it is is for the quirks to say.
        let mut timeless = S3Config::default();
        timeless.presigned_url_max_skew_time_secs = u32::MAX;
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(timeless))));
        let site = Site {
            service: builder.build(),
            faults: faults.clone(),
            shelf: shelf.clone(),
            uploads: uploads.clone(),
            quirks: quirks.clone(),
            secret: options.secret_key.clone(),
            tls: options
                .certificate
                .as_ref()
                .map(Certificate::acceptor)
                .transpose()?,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        // Bound and listening from here on, though the thread only accepts later.
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("s3".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    if let Ok(listener) = TcpListener::from_std(listener) {
                        serve(site, listener, stopped).await;
                    }
                });
                // A file that is being read must not hold the end up.
                runtime.shutdown_background();
            })?;
        Ok(Self {
            address,
            options,
            directory,
            faults,
            uploads,
            shelf,
            quirks,
            stop: Some(stop),
            thread: Some(thread),
            keys,
            _temporary: temporary,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL to give as `endpoint`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        let scheme = if self.options.certificate.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", self.address)
    }

    /// The directory of its buckets.
    #[must_use]
    pub fn directory(&self) -> &std::path::Path {
        &self.directory
    }

    /// The databag of an `s3` relation to its bucket.
    #[must_use]
    pub fn relation_data(&self) -> BTreeMap<String, String> {
        let Options {
            access_key,
            secret_key,
            bucket,
            ..
        } = &self.options;
        super::relation_data(&self.endpoint(), access_key, secret_key, bucket)
    }

    /// Takes these keys from now on, and no others.
    pub fn rotate_keys(&self, access_key: &str, secret_key: &str) {
        self.keys.become_of(access_key, secret_key);
    }

    /// Orders a fault.
    pub fn order(&self, fault: Fault) {
        self.faults.order(fault);
    }

    /// Takes all orders back.
    pub fn clear_faults(&self) {
        self.faults.clear();
    }

    /// Makes it another store with the same objects.
    pub fn become_of(&self, quirks: Vec<Quirk>) {
        self.shelf.be_late(&quirks);
        self.quirks.become_of(quirks);
    }

    /// How many calls went wrong because it was ordered.
    #[must_use]
    pub fn struck(&self) -> usize {
        self.faults.struck()
    }

    /// How many calls of a kind it has seen, spoiled ones included.
    #[must_use]
    pub fn calls(&self, operation: Operation) -> usize {
        self.faults.calls(operation)
    }

    /// The headers of the last call of a kind.
    #[must_use]
    pub fn headers(&self, operation: Operation) -> Option<HeaderMap> {
        self.faults.headers(operation).pop()
    }

    /// One header of each of the last thousand calls of a kind, in order; empty where a call had none.
    #[must_use]
    pub fn header_of_each(&self, operation: Operation, name: &str) -> Vec<String> {
        let value = |headers: &HeaderMap| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        self.faults.headers(operation).iter().map(value).collect()
    }

    /// How many calls of a kind are being answered: their bodies have not ended and their connections stand.
    #[must_use]
    pub fn answering(&self, operation: Operation) -> usize {
        self.faults.open(operation)
    }

    /// Forgets what it noted of an object when that came in, because its file was laid down by hand.
    pub fn forget_checksum(&self, file: &std::path::Path) {
        self.shelf.forget_tag(file);
    }

    /// Forgets all uploads that are under way.
    pub fn forget_uploads(&self) {
        self.uploads.forget_all();
    }

    /// Makes all uploads that are under way and all objects older, but those whose keys end in `kept`.
    pub fn age(&self, by: Duration, kept: &str) -> Result<()> {
        self.uploads.age(by);
        let mut folders = vec![self.directory.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if kept.is_empty() || !path.ends_with(kept) {
                    let file = std::fs::File::options().write(true).open(&path)?;
                    file.set_modified(file.metadata()?.modified()? - by)?;
                }
            }
        }
        Ok(())
    }

    /// How many uploads are under way.
    #[must_use]
    pub fn open_uploads(&self) -> usize {
        self.uploads.all().len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What every connection needs.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) service: S3Service,
    pub(super) faults: Faults,
    pub(super) shelf: Arc<Shelf>,
    pub(super) uploads: Arc<Uploads>,
    pub(super) quirks: Quirks,
    pub(super) secret: String,
    tls: Option<TlsAcceptor>,
}

/// Serves until the sender of `stopped` is dropped; with the set go all connections.
async fn serve(site: Site, listener: TcpListener, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                connections.spawn(welcome(site.clone(), stream));
            },
        }
    }
}

async fn welcome(site: Site, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    match &site.tls {
        None => talk(site, stream).await,
        Some(tls) => {
            if let Ok(stream) = tls.clone().accept(stream).await {
                talk(site, stream).await;
            }
        }
    }
}

async fn talk(site: Site, stream: impl AsyncRead + AsyncWrite + Unpin) {
    let service = service_fn(move |request| answers::answer(site.clone(), request));
    let mut connection = http1::Builder::new();
    connection.timer(TokioTimer::new());
    // How a connection ends is the client's affair.
    let _ = connection
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
