//! The daemon: all its parts, its sockets, its beginning and its end.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use super::changes::{Changes, Selection};
use super::checks::Checks;
use super::guarded::Guarded;
use super::identities::Identities;
use super::log::say;
use super::logs::Logs;
use super::notices::Notices;
use super::plan::Plan;
use super::program::Run;
use super::router::Caller;
use super::services::{Asked, Services};
use super::session::Session;
use super::{environment, random};

/// How long the daemon waits, when it ends, for what it runs.
const LAST_WAIT: Duration = Duration::from_secs(10);

/// All that a daemon is made of.
pub(crate) struct Server {
    pub(crate) boot_id: String,
    pub(crate) changes: Arc<Changes>,
    pub(crate) checks: Arc<Checks>,
    pub(crate) identities: Identities,
    pub(crate) logs: Arc<Logs>,
    pub(crate) notices: Arc<Notices>,
    pub(crate) services: Arc<Services>,
    pub(crate) sessions: Guarded<HashMap<String, Arc<Session>>>,
    plan: Guarded<Plan>,
}

impl Server {
    /// Serves until a signal, or a service's end, is the daemon's.
    pub(crate) async fn run(options: &Run) -> anyhow::Result<()> {
        let directory =
            environment::variable("PEBBLE").unwrap_or_else(|| "/var/lib/pebble/default".to_owned());
        let directory = PathBuf::from(directory);
        if options.create_dirs {
            fs::create_dir_all(&directory)
                .with_context(|| format!("cannot make {}", directory.display()))?;
        }
        copy_once(&directory).context("cannot copy the layers that PEBBLE_COPY_ONCE names")?;
        let socket = environment::variable("PEBBLE_SOCKET").map(PathBuf::from);
        let socket = socket.unwrap_or_else(|| directory.join(".pebble.socket"));

        let plan = Plan::read(&directory.join("layers")).map_err(anyhow::Error::msg)?;
        let server = Self::new(&directory, plan, options.verbose);
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let listener = listen(&socket).await?;
        let mut serving = JoinSet::new();
        serving.spawn(Arc::clone(&server).serve_socket(listener));
        if let Some(address) = &options.http {
            let address = if address.starts_with(':') {
                format!("[::]{address}")
            } else {
                address.clone()
            };
            let listener = TcpListener::bind(&address)
                .await
                .with_context(|| format!("cannot listen at {address}"))?;
            serving.spawn(Arc::clone(&server).serve_port(listener));
        }
        say(&format!("listening at {}", socket.display()));
        server.checks.replan(&server.plan());
        if !options.hold {
            server.autostart();
        }
        let mut shutdown = server.services.shutdown();
        // Cancel safe: the first of these ends the daemon.
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = shutdown.wait_for(|wanted| *wanted) => {}
        }
        say("ending");
        server.end().await;
        serving.abort_all();
        let _gone = fs::remove_file(&socket);
        Ok(())
    }

    fn new(directory: &Path, plan: Plan, verbose: bool) -> Arc<Self> {
        let lasting =
            environment::variable("PEBBLE_PERSIST").is_none_or(|persist| persist != "never");
        let notices = Arc::new(Notices::new());
        let state = lasting.then(|| directory.join(".pebble.state"));
        let changes = Arc::new(Changes::open(state, Arc::clone(&notices)));
        let logs = Arc::new(Logs::new(verbose));
        let services = Services::new(Arc::clone(&logs));
        Arc::new(Self {
            boot_id: random::digits(),
            checks: Checks::new(Arc::clone(&changes), Arc::clone(&services)),
            changes,
            identities: Identities::default(),
            logs,
            notices,
            services,
            sessions: Guarded::default(),
            plan: Guarded::new(plan),
        })
    }

    /// The plan as it is now.
    pub(crate) fn plan(&self) -> Plan {
        self.plan.lock().clone()
    }

    /// Takes up another plan, unless making it fails.
    pub(crate) fn change_plan(
        &self,
        change: impl FnOnce(&Plan) -> Result<Plan, String>,
    ) -> Result<(), String> {
        let mut plan = self.plan.lock();
        *plan = change(&plan)?;
        self.checks.replan(&plan);
        Ok(())
    }

    async fn serve_socket(self: Arc<Self>, listener: UnixListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let user_id = stream.peer_cred().ok().map(|peer| peer.uid());
                    tokio::spawn(Arc::clone(&self).serve(stream, Caller::of(user_id)));
                }
                Err(error) => {
                    say(&format!("cannot accept a connection: {error}"));
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn serve_port(self: Arc<Self>, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(Arc::clone(&self).serve(stream, Caller::of(None)));
        }
    }

    async fn serve<S>(self: Arc<Self>, stream: S, caller: Caller)
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(move |request| {
            let server = Arc::clone(&self);
            async move { Ok::<_, std::convert::Infallible>(server.answer(caller, request).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let _gone = connection.await;
    }

    /// Stops the services, then kills what else runs, and waits for it to be noted.
    async fn end(&self) {
        let mut lanes = JoinSet::new();
        for lane in self.services.running(&self.plan()) {
            let services = Arc::clone(&self.services);
            lanes.spawn(async move {
                for name in lane {
                    if let Asked::Underway(told) = services.stop(&name) {
                        let _result = told.await;
                    }
                }
            });
        }
        while lanes.join_next().await.is_some() {}
        self.changes.abort_all();
        let left = self.changes.list(Selection::InProgress, "");
        let execs = left
            .iter()
            .filter(|change| change["kind"] == "exec")
            .filter_map(|change| change["id"].as_str());
        let ends = execs.map(|change| async move { drop(self.changes.wait(change, None).await) });
        for end in ends {
            if tokio::time::timeout(LAST_WAIT, end).await.is_err() {
                break;
            }
        }
    }
}

/// Listens at a path, unless somebody answers there already.
async fn listen(socket: &Path) -> anyhow::Result<UnixListener> {
    if UnixStream::connect(socket).await.is_ok() {
        bail!("socket {} is in use by another daemon", socket.display());
    }
    let _absent = fs::remove_file(socket);
    let listener = UnixListener::bind(socket)
        .with_context(|| format!("cannot listen at {}", socket.display()))?;
    fs::set_permissions(socket, fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}

/// Fills an empty directory from the one that `PEBBLE_COPY_ONCE` names; only its layers are of use here.
fn copy_once(directory: &Path) -> std::io::Result<()> {
    let Some(source) =
        environment::variable("PEBBLE_COPY_ONCE").map(|source| Path::new(&source).join("layers"))
    else {
        return Ok(());
    };
    let layers = directory.join("layers");
    if layers.exists() || !source.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(&layers)?;
    for entry in fs::read_dir(source)? {
        let entry = entry?;
        fs::copy(entry.path(), layers.join(entry.file_name()))?;
    }
    Ok(())
}
