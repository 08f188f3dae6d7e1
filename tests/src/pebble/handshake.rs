//! The handshakes of an exec's websockets.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use hyper::{HeaderMap, Request};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::faults::Faults;
use super::log::say;
use super::reply::{self, Content, Refusal, Reply};
use super::server::Server;
use super::session::Unfit;
use super::websocket;

/// How long an exec whose websockets are closed may take to be noted as ended.
const SOON: Duration = Duration::from_secs(5);

impl Server {
    /// Answers a handshake for a websocket of a task.
    pub(crate) async fn connect(
        &self,
        task: &str,
        name: &str,
        mut request: Request<Incoming>,
    ) -> Result<Reply, Refusal> {
        let (kind, change) = self
            .changes
            .task_home(task)
            .ok_or_else(|| Refusal::new(404, format!("cannot find task {task:?}")))?;
        if kind != "exec" {
            return Err(Refusal::bad(format!(
                "{kind:?} tasks do not have websockets"
            )));
        }
        let session = self.sessions.lock().get(task).map(Arc::clone);
        let Some(session) = session else {
            return self.too_late(&change).await;
        };
        session.admits(name).map_err(|unfit| match unfit {
            Unfit::Unknown => Refusal::new(
                404,
                format!("cannot find {name} websocket for task {task:?}"),
            ),
            Unfit::Connected => Refusal::new(500, format!("{name} websocket already connected")),
        })?;
        let key = match key(request.headers()) {
            Ok(key) => key,
            Err(complaint) => {
                let refusal = Refusal::new(500, format!("websocket: {complaint}"));
                let text = format!("Bad Request\n{}", refusal.to_text());
                return Ok(reply::plain(
                    400,
                    Some("text/plain; charset=utf-8"),
                    Content::whole(text),
                ));
            }
        };
        if Faults::read().refuses(name) {
            return Ok(reply::plain(200, None, Content::whole("")));
        }
        let upgrade = hyper::upgrade::on(&mut request);
        let name = name.to_owned();
        tokio::spawn(async move {
            let opened = upgrade
                .await
                .map_err(std::io::Error::other)
                .and_then(websocket::open);
            match opened {
                Ok((receiver, sender)) => session.connect(&name, receiver, sender),
                Err(error) => say(&format!("a handshake for {name} failed: {error}")),
            }
        });
        let mut reply = reply::plain(101, None, Content::whole(""));
        let headers = reply.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(key.as_bytes())) {
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
        Ok(reply)
    }

    /// After the end there is no websocket: the error of the change, or nothing at all.
    async fn too_late(&self, change: &str) -> Result<Reply, Refusal> {
        let ready = self.changes.wait(change, Some(SOON)).await;
        let shown = ready.and_then(Result::ok).unwrap_or_default();
        match shown["err"].as_str() {
            Some(error) => Err(Refusal::new(500, error)),
            None => Ok(reply::plain(200, None, Content::whole(""))),
        }
    }
}

fn key(headers: &HeaderMap) -> Result<String, String> {
    let has = |name, token: &str| {
        let values = headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok());
        values
            .flat_map(|value| value.split(','))
            .any(|each| each.trim().eq_ignore_ascii_case(token))
    };
    let bad = "the client is not using the websocket protocol:";
    if !has(CONNECTION, "upgrade") {
        return Err(format!(
            "{bad} 'upgrade' token not found in 'Connection' header"
        ));
    }
    if !has(UPGRADE, "websocket") {
        return Err(format!(
            "{bad} 'websocket' token not found in 'Upgrade' header"
        ));
    }
    if !has(SEC_WEBSOCKET_VERSION, "13") {
        return Err(
            "unsupported version: 13 not found in 'Sec-Websocket-Version' header".to_owned(),
        );
    }
    let key = headers
        .get(SEC_WEBSOCKET_KEY)
        .and_then(|key| key.to_str().ok())
        .filter(|key| key.len() == 24);
    let missing = "not a websocket handshake: 'Sec-WebSocket-Key' header must be Base64 encoded value of 16-byte in length";
    key.map(str::to_owned).ok_or_else(|| missing.to_owned())
}
