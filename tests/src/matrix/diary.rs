//! What a user was promised: everything the server acknowledged, to be found again later.

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use super::{Homeserver, Session};

/// What one user did on a homeserver and the server acknowledged.
#[derive(Debug, Clone)]
pub struct Diary {
    user: String,
    password: String,
    session: Session,
    rooms: Vec<Room>,
    media: Vec<Media>,
}

#[derive(Debug, Clone)]
struct Room {
    id: String,
    /// Event ids and texts, in the order of sending.
    messages: Vec<(String, String)>,
}

#[derive(Debug, Clone)]
struct Media {
    address: String,
    digest: String,
}

impl Diary {
    /// Logs a user in and begins to note.
    pub fn begin(homeserver: &Homeserver, user: &str, password: &str) -> Result<Self> {
        let session = homeserver.login(user, password)?;
        Ok(Self {
            user: user.to_owned(),
            password: password.to_owned(),
            session,
            rooms: Vec::new(),
            media: Vec::new(),
        })
    }

    /// The name the user logs in with.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The password the user logs in with.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The user's session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Makes a room, in which the user writes from now on.
    pub fn open_room(&mut self, name: &str) -> Result<()> {
        let id = self.session.create_room(name)?;
        self.rooms.push(Room {
            id,
            messages: Vec::new(),
        });
        Ok(())
    }

    /// Writes into the newest room.
    pub fn write(&mut self, body: &str) -> Result<()> {
        let room = self.rooms.last_mut().context("the user is in no room")?;
        let event = self.session.send(&room.id, body)?;
        room.messages.push((event, body.to_owned()));
        Ok(())
    }

    /// Uploads a picture and posts it into the newest room; returns its address.
    pub fn post(&mut self, name: &str, content: &[u8]) -> Result<String> {
        let room = self.rooms.last_mut().context("the user is in no room")?;
        let address = self.session.upload(name, "image/png", content)?;
        let event = self.session.post_picture(&room.id, name, &address)?;
        room.messages.push((event, name.to_owned()));
        self.media.push(Media {
            address: address.clone(),
            digest: digest(content),
        });
        Ok(address)
    }

    /// How many messages were acknowledged.
    pub fn messages(&self) -> usize {
        self.texts().count()
    }

    /// The texts that were acknowledged, in order.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let messages = self.rooms.iter().flat_map(|room| &room.messages);
        messages.map(|(_, text)| text.as_str())
    }

    /// How many files were acknowledged.
    pub fn files(&self) -> usize {
        self.media.len()
    }

    /// Checks on a server that all of it is there: the old session, a new login, every message in order, every file by SHA-256.
    pub fn check(&self, homeserver: &Homeserver) -> Result<()> {
        let resumed = homeserver
            .resume(self.session.token())
            .context("the old session is lost")?;
        ensure!(
            resumed.user_id() == self.session.user_id(),
            "the session belongs to {}",
            resumed.user_id()
        );
        let session = homeserver
            .login(&self.user, &self.password)
            .context("the password is lost")?;
        for room in &self.rooms {
            let there: Vec<_> = session
                .messages(&room.id)?
                .into_iter()
                .map(|message| (message.event_id, message.body))
                .collect();
            ensure!(
                there == room.messages,
                "room {}: expected {:?}, the server has {there:?}",
                room.id,
                room.messages
            );
        }
        for media in &self.media {
            let content = session
                .download(&media.address)
                .with_context(|| format!("{} is lost", media.address))?;
            ensure!(
                digest(&content) == media.digest,
                "{} has other bytes",
                media.address
            );
            let small = session
                .thumbnail(&media.address)
                .with_context(|| format!("{} has lost its thumbnail", media.address))?;
            ensure!(
                !small.is_empty(),
                "{} has an empty thumbnail",
                media.address
            );
        }
        Ok(())
    }
}

fn digest(content: &[u8]) -> String {
    Sha256::digest(content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
