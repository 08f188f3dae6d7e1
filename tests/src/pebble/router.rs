//! Which request is for whom, and who may make it.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::{Method, Request};
use serde_json::json;

use super::faults::Faults;
use super::identities::Access;
use super::multipart::parameter;
use super::program::VERSION;
use super::reply::{self, Refusal, Reply};
use super::request::{Object, Query, drain};
use super::server::Server;
use super::users::Owner;
use super::{file_write, files};

/// Who makes a request: a user behind the socket, or anybody behind a port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) user_id: Option<u32>,
}

/// What is asked of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Open,
    User,
    Admin,
}

impl Caller {
    pub(crate) fn of(user_id: Option<u32>) -> Self {
        Self { user_id }
    }

    fn access(self, server: &Server) -> Access {
        let Some(user_id) = self.user_id else {
            return Access::Untrusted;
        };
        let own = user_id == 0 || user_id == Owner::own().user_id;
        let default = if own { Access::Admin } else { Access::Read };
        server.identities.access(user_id).unwrap_or(default)
    }

    /// Whether it may do anything.
    pub(crate) fn is_admin(self, server: &Server) -> bool {
        self.access(server) == Access::Admin
    }

    fn may(self, level: Level, server: &Server) -> bool {
        match level {
            Level::Open => true,
            Level::User => matches!(self.access(server), Access::Admin | Access::Read),
            Level::Admin => self.is_admin(server),
        }
    }
}

/// The methods of a path and what they ask of a caller; none when there is no such path.
fn methods(path: &[&str]) -> Option<(Option<Level>, Option<Level>)> {
    use Level::{Admin, Open, User};
    let ["v1", path @ ..] = path else { return None };
    let (get, post) = match path {
        ["system-info" | "health"] => (Some(Open), None),
        ["changes"] | ["changes", _, "wait"] | ["logs"] | ["notices", _] => (Some(User), None),
        ["plan"] => (Some(User), None),
        ["changes", _] | ["services"] | ["services", _] | ["checks"] | ["identities"] => {
            (Some(User), Some(Admin))
        }
        ["notices"] => (Some(User), Some(User)),
        ["layers" | "exec" | "signals"] | ["checks", "refresh"] => (None, Some(Admin)),
        ["files"] => (Some(Admin), Some(Admin)),
        ["tasks", _, "websocket", _] => (Some(Admin), None),
        _ => return None,
    };
    Some((get, post))
}

impl Server {
    /// Answers a request, whatever it is.
    pub(crate) async fn answer(
        self: Arc<Self>,
        caller: Caller,
        request: Request<Incoming>,
    ) -> Reply {
        Faults::read().delay().await;
        self.route(caller, request)
            .await
            .unwrap_or_else(|refusal| refusal.to_reply())
    }

    async fn route(
        self: Arc<Self>,
        caller: Caller,
        mut request: Request<Incoming>,
    ) -> Result<Reply, Refusal> {
        let path = request.uri().path().trim_start_matches('/').to_owned();
        let path: Vec<&str> = path.split('/').collect();
        let method = request.method().clone();
        if let Err(refusal) = self.admit(caller, &method, &path) {
            drain(request.body_mut()).await;
            return Err(refusal);
        }
        if method == Method::GET {
            self.get(caller, &path[1..], request).await
        } else {
            self.post(caller, &path[1..], request).await
        }
    }

    fn admit(&self, caller: Caller, method: &Method, path: &[&str]) -> Result<(), Refusal> {
        let there = methods(path).filter(|_| path.iter().all(|segment| !segment.is_empty()));
        let (get, post) =
            there.ok_or_else(|| Refusal::new(404, "invalid API endpoint requested"))?;
        let level = match *method {
            Method::GET => get,
            Method::POST => post,
            _ => None,
        };
        let level = level.ok_or_else(|| {
            Refusal::new(405, format!("method {:?} not allowed", method.as_str()))
        })?;
        if caller.may(level, self) {
            return Ok(());
        }
        Err(Refusal::new(401, "access denied").with_kind("login-required"))
    }

    async fn get(
        self: Arc<Self>,
        caller: Caller,
        path: &[&str],
        request: Request<Incoming>,
    ) -> Result<Reply, Refusal> {
        let query = Query::parse(request.uri().query());
        match path {
            ["system-info"] => Ok(reply::sync(
                json!({"boot-id": self.boot_id, "version": VERSION}),
            )),
            ["health"] => self.get_health(&query),
            ["changes"] => self.get_changes(&query),
            ["changes", id] => self.get_change(id),
            ["changes", id, "wait"] => self.wait_change(id, &query).await,
            ["services"] => Ok(reply::sync(
                self.services
                    .list(&self.plan(), &query.list("names"))
                    .into(),
            )),
            ["plan"] => match query.one("format") {
                "yaml" => Ok(reply::sync(self.plan().to_yaml().into())),
                format => Err(Refusal::bad(format!("invalid format {format:?}"))),
            },
            ["checks"] => self.get_checks(&query),
            ["identities"] => Ok(reply::sync(self.identities.list())),
            ["logs"] => self.get_logs(&query),
            ["notices"] => self.get_notices(caller, &query).await,
            ["notices", id] => self.get_notice(caller, id),
            ["files"] => {
                let accept = request
                    .headers()
                    .get(ACCEPT)
                    .and_then(|accept| accept.to_str().ok());
                files::get(&query, accept.unwrap_or_default())
            }
            ["tasks", task, "websocket", name] => self.connect(task, name, request).await,
            _ => Err(Refusal::bad("not implemented")),
        }
    }

    async fn post(
        self: Arc<Self>,
        caller: Caller,
        path: &[&str],
        request: Request<Incoming>,
    ) -> Result<Reply, Refusal> {
        let content_type = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_owned();
        let mut body = request.into_body();
        let of_request =
            |error: String| Refusal::bad(format!("cannot decode request body: {error}"));
        let of_data =
            |error: String| Refusal::bad(format!("cannot decode data from request body: {error}"));
        match path {
            ["changes", id] => self.post_change(id, &Object::read(body).await.map_err(of_data)?),
            ["services"] => self.post_services(&Object::read(body).await.map_err(of_data)?),
            ["layers"] => self.post_layers(&Object::read(body).await.map_err(of_request)?),
            ["exec"] => self.post_exec(&Object::read(body).await.map_err(of_request)?),
            ["signals"] => self.post_signals(&Object::read(body).await.map_err(of_request)?),
            ["checks"] => self.post_checks(&Object::read(body).await.map_err(of_data)?),
            ["checks", "refresh"] => {
                self.refresh_check(&Object::read(body).await.map_err(of_data)?)
                    .await
            }
            ["notices"] => {
                self.post_notices(caller, &Object::read(body).await.map_err(of_request)?)
            }
            ["identities"] => {
                let request = Object::read(body).await.map_err(of_request)?;
                self.identities.change(&request).map_err(Refusal::bad)?;
                Ok(reply::sync_nothing())
            }
            ["files"] => match content_type.split(';').next().unwrap_or_default().trim() {
                "multipart/form-data" => {
                    file_write::post(
                        body,
                        &parameter(&content_type, "boundary").unwrap_or_default(),
                    )
                    .await
                }
                "application/json" => files::post(&Object::read(body).await.map_err(of_request)?),
                kind => {
                    drain(&mut body).await;
                    Err(match kind {
                        "" => Refusal::bad(format!("invalid Content-Type {content_type:?}")),
                        kind => Refusal::bad(format!("invalid media type {kind:?}")),
                    })
                }
            },
            _ => {
                drain(&mut body).await;
                Err(Refusal::bad("not implemented"))
            }
        }
    }
}
