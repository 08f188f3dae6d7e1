//! A Matrix client: what a user of the homeserver does, so that a backup has something to keep and a restore to prove.
//!
//! It talks plain HTTP to one address, obeys the server's rate limits, and can show each request as a `curl` line.

mod diary;
mod http;
mod picture;

use std::net::SocketAddrV4;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

pub use self::diary::Diary;
use self::http::Http;
pub use self::picture::picture;
use crate::deadline::{Deadline, Look};

/// One homeserver, as a client reaches it.
#[derive(Debug, Clone)]
pub struct Homeserver {
    http: Http,
}

/// A user who is logged in.
#[derive(Debug, Clone)]
pub struct Session {
    http: Http,
    user_id: String,
    token: String,
}

/// A message as a room shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The event that carried it.
    pub event_id: String,
    /// Who sent it.
    pub sender: String,
    /// Its text, or the name of what was posted.
    pub body: String,
    /// What was posted, as in `mxc://demo.example/abc`.
    pub media: Option<String>,
}

impl Homeserver {
    /// The homeserver at an address.
    pub fn at(address: SocketAddrV4) -> Self {
        Self {
            http: Http::new(address),
        }
    }

    /// The same, each request shown to `show` as a command line, each answer in short.
    #[must_use]
    pub fn shown_by(mut self, show: fn(&str)) -> Self {
        self.http.show = Some(show);
        self
    }

    /// Waits until the server says that it is healthy.
    pub fn wait_healthy(&self, limit: Duration) -> Result<()> {
        Deadline::after(limit).wait_for("the homeserver to be healthy", || {
            Ok(match self.http.look("/health") {
                Ok(body) if body == b"OK" => Look::Done(()),
                Ok(body) => Look::NotYet(String::from_utf8_lossy(&body).into_owned()),
                Err(error) => Look::NotYet(format!("{error:#}")),
            })
        })
    }

    /// Tells whether the server answers at all.
    pub fn is_healthy(&self) -> bool {
        self.http.look("/health").is_ok_and(|body| body == b"OK")
    }

    /// Logs a user in by name and password.
    pub fn login(&self, user: &str, password: &str) -> Result<Session> {
        let request = json!({
            "type": "m.login.password",
            "identifier": { "type": "m.id.user", "user": user },
            "password": password,
        });
        let answer = self
            .http
            .post("/_matrix/client/v3/login", None, &request)
            .with_context(|| format!("failed to log {user} in"))?;
        Ok(Session {
            http: self.http.clone(),
            user_id: text(&answer, "user_id")?,
            token: text(&answer, "access_token")?,
        })
    }

    /// Takes a session up again by its token, as a client does that was closed in between.
    pub fn resume(&self, token: &str) -> Result<Session> {
        let answer = self
            .http
            .get("/_matrix/client/v3/account/whoami", Some(token))
            .context("failed to resume a session")?;
        Ok(Session {
            http: self.http.clone(),
            user_id: text(&answer, "user_id")?,
            token: token.to_owned(),
        })
    }
}

impl Session {
    /// The user, as in `@anna:demo.example`.
    pub fn user_id(&self) -> &str {
        &self.user_id
    }

    /// What the session is resumed with.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// As an administrator, lets a user send as fast as it can.
    pub fn unleash(&self, user_id: &str) -> Result<()> {
        let path = format!(
            "/_synapse/admin/v1/users/{}/override_ratelimit",
            escape(user_id)
        );
        let limits = json!({ "messages_per_second": 0, "burst_count": 0 });
        self.post(&path, &limits).map(drop)
    }

    /// Makes a private room and returns its id.
    pub fn create_room(&self, name: &str) -> Result<String> {
        let answer = self.post(
            "/_matrix/client/v3/createRoom",
            &json!({ "name": name, "preset": "private_chat" }),
        )?;
        text(&answer, "room_id")
    }

    /// Sends a text and returns its event id: from then on the server has promised to keep it.
    pub fn send(&self, room: &str, body: &str) -> Result<String> {
        self.send_content(room, &json!({ "msgtype": "m.text", "body": body }))
    }

    /// Uploads a file and returns its address, as in `mxc://demo.example/abc`.
    pub fn upload(&self, name: &str, content_type: &str, content: &[u8]) -> Result<String> {
        let path = format!("/_matrix/media/v3/upload?filename={}", escape(name));
        let answer = self
            .http
            .upload(&path, &self.token, name, content_type, content)
            .context("failed to upload")?;
        text(&answer, "content_uri")
    }

    /// Posts an uploaded picture into a room.
    pub fn post_picture(&self, room: &str, name: &str, media: &str) -> Result<String> {
        self.send_content(room, &json!({ "msgtype": "m.image", "body": name, "url": media, "info": { "mimetype": "image/png" } }))
    }

    /// Downloads what lies at an `mxc://` address.
    pub fn download(&self, media: &str) -> Result<Vec<u8>> {
        let place = media
            .strip_prefix("mxc://")
            .with_context(|| format!("{media} is no media address"))?;
        self.http.download(
            &format!("/_matrix/client/v1/media/download/{place}"),
            &self.token,
        )
    }

    /// Fetches the small version that the server made of a picture.
    pub fn thumbnail(&self, media: &str) -> Result<Vec<u8>> {
        let place = media
            .strip_prefix("mxc://")
            .with_context(|| format!("{media} is no media address"))?;
        let path =
            format!("/_matrix/client/v1/media/thumbnail/{place}?width=32&height=32&method=crop");
        self.http.download(&path, &self.token)
    }

    /// Reads all messages of a room, oldest first.
    pub fn messages(&self, room: &str) -> Result<Vec<Message>> {
        let mut messages = Vec::new();
        let mut from = String::new();
        loop {
            let path = format!(
                "/_matrix/client/v3/rooms/{}/messages?dir=f&limit=100{from}",
                escape(room)
            );
            let answer = self
                .http
                .get(&path, Some(&self.token))
                .with_context(|| format!("failed to read {room}"))?;
            let events = answer["chunk"]
                .as_array()
                .context("an answer without messages")?;
            messages.extend(events.iter().filter_map(message));
            match answer["end"].as_str() {
                Some(end) if !events.is_empty() => from = format!("&from={}", escape(end)),
                _ => return Ok(messages),
            }
        }
    }

    fn send_content(&self, room: &str, content: &Value) -> Result<String> {
        // The server takes a transaction once, so a repeated request sends nothing twice.
        let transaction = self.http.next_transaction();
        let path = format!(
            "/_matrix/client/v3/rooms/{}/send/m.room.message/{transaction}",
            escape(room)
        );
        let answer = self
            .http
            .put(&path, &self.token, content)
            .with_context(|| format!("failed to send to {room}"))?;
        text(&answer, "event_id")
    }

    fn post(&self, path: &str, request: &Value) -> Result<Value> {
        self.http.post(path, Some(&self.token), request)
    }
}

fn message(event: &Value) -> Option<Message> {
    let content = &event["content"];
    (event["type"] == "m.room.message").then(|| Message {
        event_id: event["event_id"].as_str().unwrap_or_default().to_owned(),
        sender: event["sender"].as_str().unwrap_or_default().to_owned(),
        body: content["body"].as_str().unwrap_or_default().to_owned(),
        media: content["url"].as_str().map(str::to_owned),
    })
}

fn text(answer: &Value, key: &str) -> Result<String> {
    let value = answer[key].as_str().unwrap_or_default();
    ensure!(!value.is_empty(), "an answer without {key}: {answer}");
    Ok(value.to_owned())
}

/// Writes a text so that it can stand in a path.
fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
