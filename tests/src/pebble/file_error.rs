//! What the files API says went wrong with one path.

use std::io::{self, ErrorKind};

use serde_json::{Value, json};

use super::process::sentence;
use super::reply::Refusal;

/// An error of one path.
#[derive(Debug)]
pub(crate) struct FileError {
    kind: &'static str,
    message: String,
}

impl FileError {
    pub(crate) fn generic(message: impl Into<String>) -> Self {
        Self {
            kind: "generic-file-error",
            message: message.into(),
        }
    }

    /// An error of the system, told as Go does: operation, path, reason.
    pub(crate) fn of(operation: &str, path: &str, error: &io::Error) -> Self {
        Self {
            kind: kind(error),
            message: format!("{operation} {path}: {}", sentence(error)),
        }
    }

    /// An error of the system, with nothing but its reason.
    pub(crate) fn bare(error: &io::Error) -> Self {
        Self {
            kind: kind(error),
            message: sentence(error),
        }
    }

    /// The same with words before it.
    pub(crate) fn within(self, words: &str) -> Self {
        Self {
            message: format!("{words}: {}", self.message),
            ..self
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({"message": self.message, "kind": self.kind})
    }

    /// As a whole reply, which only listing gives.
    pub(crate) fn to_refusal(&self) -> Refusal {
        let status = match self.kind {
            "not-found" => 404,
            "permission-denied" => 403,
            _ => 400,
        };
        Refusal::new(status, self.message.clone()).with_kind(self.kind)
    }
}

fn kind(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => "not-found",
        ErrorKind::PermissionDenied => "permission-denied",
        _ => "generic-file-error",
    }
}

/// Only absolute paths are taken.
pub(crate) fn absolute(path: &str) -> Result<&str, FileError> {
    let refusal = || FileError::generic(format!("paths must be absolute, got {path:?}"));
    path.starts_with('/').then_some(path).ok_or_else(refusal)
}

/// Three octal digits.
pub(crate) fn permissions(text: &str, default: u32) -> Result<u32, FileError> {
    if text.is_empty() {
        return Ok(default);
    }
    let mode = (text.len() == 3)
        .then(|| u32::from_str_radix(text, 8).ok())
        .flatten();
    mode.ok_or_else(|| {
        FileError::generic(format!(
            "permissions must be a 3-digit octal string, got {text:?}"
        ))
    })
}
