//! Small files of the workload's container: read, write, list, remove.
//!
//! Large ones go through exec. A status of 200 never means success here: each path has a result of its own, and what
//! came before that result in a read is only believed once it says so.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Client, REQUEST, required};
use super::envelope;
use super::error::{PathErrorKind, PebbleError};
use super::http::{Ask, escape};
use super::multipart;

/// How long a file may take on its way.
const TRANSFER: Duration = Duration::from_secs(60);

/// What an answer may hold besides the file: headers and the result's JSON.
const OVERHEAD: usize = 64 * 1024;

const FILES: &str = "/v1/files";

/// Who may do what with a file that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteOptions {
    /// The nine permission bits, such as `0o600`. An overwritten file gets them too.
    pub mode: u16,
    /// The owner; only a daemon of root can give files away.
    pub user_id: Option<u32>,
    /// The group.
    pub group_id: Option<u32>,
    /// Whether missing parents are made, with mode 0755 and the same owner.
    pub make_dirs: bool,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            mode: 0o644,
            user_id: None,
            group_id: None,
            make_dirs: false,
        }
    }
}

/// Who may do what with a directory that is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirOptions {
    /// The nine permission bits. New parents get them too.
    pub mode: u16,
    /// The owner; only a daemon of root can give directories away.
    pub user_id: Option<u32>,
    /// The group.
    pub group_id: Option<u32>,
    /// Whether missing parents are made. An existing directory is then no error and is left as it is.
    pub make_parents: bool,
}

impl Default for DirOptions {
    fn default() -> Self {
        Self {
            mode: 0o755,
            user_id: None,
            group_id: None,
            make_parents: false,
        }
    }
}

/// A file, directory or something else, and what is known about it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct FileInfo {
    /// The whole path.
    pub path: String,
    /// The last part of the path.
    pub name: String,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: FileType,
    /// The size in bytes; only regular files have one.
    #[serde(default)]
    pub size: Option<u64>,
    /// The nine permission bits in octal.
    pub permissions: String,
    /// When it was last changed, to the second.
    pub last_modified: Timestamp,
    /// The owner.
    #[serde(default)]
    pub user_id: Option<u32>,
    /// The group.
    #[serde(default)]
    pub group_id: Option<u32>,
}

impl FileInfo {
    /// The nine permission bits.
    pub fn mode(&self) -> Option<u16> {
        u16::from_str_radix(&self.permissions, 8).ok()
    }
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileType {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A socket.
    Socket,
    /// A named pipe.
    NamedPipe,
    /// A device.
    Device,
    /// Something that this client does not know.
    #[serde(other)]
    Unknown,
}

/// What became of one path.
#[derive(Debug, Deserialize)]
struct PathResult {
    path: String,
    #[serde(default)]
    error: Option<PathTrouble>,
}

#[derive(Debug, Deserialize)]
struct PathTrouble {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    message: String,
}

impl Client {
    /// Reads a regular file of at most `limit` bytes; `None` when there is none of that name. Links are followed.
    pub async fn read(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, PebbleError> {
        let target = format!("{FILES}?action=read&path={}", escape(path));
        let ask = Ask {
            method: "GET",
            target: &target,
            body: None,
            accept: Some("multipart/form-data"),
            limit: limit.saturating_add(OVERHEAD),
            within: TRANSFER,
        };
        let what = format!("reading {path}");
        let too_long = || PebbleError::TooLong {
            what: path.to_owned(),
            limit,
        };
        let answer = self.ask(ask).await.map_err(|error| match error {
            PebbleError::TooLong { .. } => too_long(),
            other => other,
        })?;
        let Some(boundary) = multipart::boundary(&answer.content_type) else {
            // A refusal of the whole request comes as JSON.
            envelope::sync_result::<Value>(&what, answer.status, &answer.body)?;
            return Err(PebbleError::protocol(&what, "it is not multipart"));
        };
        let mut parts = multipart::parts(&answer.body, boundary)
            .map_err(|malformed| PebbleError::protocol(&what, malformed.detail))?;

        let response = parts
            .pop()
            .filter(|part| part.name == "response")
            .ok_or_else(|| PebbleError::protocol(&what, "its last part is not the response"))?;
        let results = required(
            &what,
            envelope::sync_result(&what, answer.status, &response.body)?,
        )?;
        match check_result(&what, path, results) {
            Ok(()) => {}
            Err(PebbleError::Path {
                kind: PathErrorKind::NotFound,
                ..
            }) => return Ok(None),
            Err(error) => return Err(error),
        }
        match parts.pop() {
            Some(part)
                if parts.is_empty()
                    && part.name == "files"
                    && part.filename.as_deref() == Some(path) =>
            {
                if part.body.len() > limit {
                    return Err(too_long());
                }
                Ok(Some(part.body.into()))
            }
            Some(_) | None => Err(PebbleError::protocol(
                &what,
                "it does not hold exactly the file asked for",
            )),
        }
    }

    /// Writes a file whole or not at all: the daemon writes beside it and renames. A symbolic link is replaced.
    pub async fn write(
        &self,
        path: &str,
        content: &[u8],
        options: &WriteOptions,
    ) -> Result<(), PebbleError> {
        let what = format!("writing {path}");
        refuse_control_characters(path)?;
        let request = json!({"action": "write", "files": [{
            "path": path,
            "permissions": octal(options.mode),
            "user-id": options.user_id,
            "group-id": options.group_id,
            "make-dirs": options.make_dirs,
        }]});
        let (content_type, body) =
            multipart::write_request(request.to_string().as_bytes(), path, content)
                .map_err(|error| PebbleError::broken(&what, error))?;
        let ask = Ask {
            method: "POST",
            target: FILES,
            body: Some((&content_type, body)),
            accept: None,
            limit: OVERHEAD,
            within: TRANSFER,
        };
        let answer = self.ask(ask).await?;
        let results = envelope::sync_result(&what, answer.status, &answer.body)?;
        check_result(&what, path, required(&what, results)?)
    }

    /// Lists a directory by name, not deeper; `None` when there is none. Links in it are shown as links.
    pub async fn list(&self, path: &str) -> Result<Option<Vec<FileInfo>>, PebbleError> {
        self.look(path, false).await
    }

    /// Looks at one file or directory; `None` when there is none. A link is followed.
    pub async fn stat(&self, path: &str) -> Result<Option<FileInfo>, PebbleError> {
        let Some(entries) = self.look(path, true).await? else {
            return Ok(None);
        };
        match <[FileInfo; 1]>::try_from(entries) {
            Ok([entry]) => Ok(Some(entry)),
            Err(entries) => {
                let detail = format!("{} entries instead of one", entries.len());
                Err(PebbleError::protocol(&format!("looking at {path}"), detail))
            }
        }
    }

    /// Makes a directory.
    pub async fn make_dir(&self, path: &str, options: &DirOptions) -> Result<(), PebbleError> {
        let body = json!({"action": "make-dirs", "dirs": [{
            "path": path,
            "make-parents": options.make_parents,
            "permissions": octal(options.mode),
            "user-id": options.user_id,
            "group-id": options.group_id,
        }]});
        self.change_path(path, &body).await
    }

    /// Removes a file or an empty directory; with `recursive` a tree, and then it is content if there is nothing.
    pub async fn remove(&self, path: &str, recursive: bool) -> Result<(), PebbleError> {
        let body = json!({"action": "remove", "paths": [{"path": path, "recursive": recursive}]});
        self.change_path(path, &body).await
    }

    async fn change_path(&self, path: &str, body: &Value) -> Result<(), PebbleError> {
        let results = self.post(FILES, body).await?;
        check_result(path, path, required(path, results)?)
    }

    async fn look(&self, path: &str, itself: bool) -> Result<Option<Vec<FileInfo>>, PebbleError> {
        let target = format!("{FILES}?action=list&path={}&itself={itself}", escape(path));
        match self.get::<Vec<FileInfo>>(&target, REQUEST).await {
            Ok(entries) => Ok(Some(entries.unwrap_or_default())),
            Err(PebbleError::Api {
                kind: Some(kind), ..
            }) if kind == "not-found" => Ok(None),
            // These errors come as envelopes, but they are about the path all the same.
            Err(PebbleError::Api {
                kind: Some(kind),
                message,
                ..
            }) if kind != "login-required" => Err(PebbleError::Path {
                path: path.to_owned(),
                kind: kind.as_str().into(),
                message,
            }),
            Err(error) => Err(error),
        }
    }
}

/// Finds the one result for the one path that was asked for.
fn check_result(what: &str, path: &str, results: Vec<PathResult>) -> Result<(), PebbleError> {
    match <[PathResult; 1]>::try_from(results) {
        Ok(
            [
                PathResult {
                    path: got,
                    error: None,
                },
            ],
        ) if got == path => Ok(()),
        Ok(
            [
                PathResult {
                    path: got,
                    error: Some(trouble),
                },
            ],
        ) if got == path => Err(PebbleError::Path {
            path: got,
            kind: trouble.kind.as_str().into(),
            message: trouble.message,
        }),
        Ok(_) => Err(PebbleError::protocol(
            what,
            "its result is for another path",
        )),
        Err(results) => {
            let detail = format!("{} results instead of one", results.len());
            Err(PebbleError::protocol(what, detail))
        }
    }
}

/// The path goes into a part's header, where a line end would begin another one.
fn refuse_control_characters(path: &str) -> Result<(), PebbleError> {
    if path.chars().any(char::is_control) {
        return Err(PebbleError::Path {
            path: path.escape_debug().to_string(),
            kind: PathErrorKind::Other,
            message: "a path with control characters cannot be written".to_owned(),
        });
    }
    Ok(())
}

/// Exactly three octal digits, which is all that the daemon takes.
fn octal(mode: u16) -> String {
    format!("{:03o}", mode & 0o777)
}
