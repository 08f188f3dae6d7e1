//! The wrapping of every JSON answer.

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::error::PebbleError;

/// An answer's JSON: `sync` holds a result, `async` a change to wait for as well, `error` a refusal.
#[derive(Debug, Deserialize)]
struct Envelope<T> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    change: Option<String>,
    #[serde(default = "none")]
    result: Option<T>,
}

fn none<T>() -> Option<T> {
    None
}

#[derive(Debug, Deserialize)]
struct Refusal {
    #[serde(default)]
    message: String,
    #[serde(default)]
    kind: Option<String>,
}

/// The result of a `sync` answer; `None` when the daemon left it out.
pub(super) fn sync_result<T: DeserializeOwned>(
    what: &str,
    status: u16,
    body: &[u8],
) -> Result<Option<T>, PebbleError> {
    check_refusal(what, status, body)?;
    let envelope: Envelope<T> = parse(what, body)?;
    if envelope.kind == "sync" {
        Ok(envelope.result)
    } else {
        Err(wrong_kind(what, &envelope.kind, "sync"))
    }
}

/// The change's id and the result of an `async` answer.
pub(super) fn async_result<T: DeserializeOwned>(
    what: &str,
    status: u16,
    body: &[u8],
) -> Result<(String, Option<T>), PebbleError> {
    check_refusal(what, status, body)?;
    let envelope: Envelope<T> = parse(what, body)?;
    match envelope.change {
        Some(id) if envelope.kind == "async" && is_id(&id) => Ok((id, envelope.result)),
        Some(id) if envelope.kind == "async" => Err(PebbleError::protocol(
            what,
            format_args!("{id:?} is no id of a change"),
        )),
        Some(_) | None => Err(wrong_kind(what, &envelope.kind, "async")),
    }
}

/// Ids go into request paths, so anything but the daemon's decimal strings is turned away.
pub(super) fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 32 && id.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// An error envelope becomes an error; so does a bad status with something else in the body.
fn check_refusal(what: &str, status: u16, body: &[u8]) -> Result<(), PebbleError> {
    let refused = |kind, message| PebbleError::Api {
        what: what.to_owned(),
        code: status,
        kind,
        message,
    };
    match serde_json::from_slice::<Envelope<IgnoredAny>>(body) {
        Ok(envelope) if envelope.kind == "error" => {
            let refusal = parse::<Envelope<Refusal>>(what, body)?.result;
            Err(match refusal {
                Some(Refusal { message, kind }) => refused(kind, message),
                None => refused(None, "no reason given".to_owned()),
            })
        }
        // The health of an unhealthy daemon comes as a `sync` answer with status 502.
        Ok(_) => Ok(()),
        Err(_) if status >= 400 => Err(refused(None, first_line(body))),
        Err(_) => Ok(()),
    }
}

fn parse<T: DeserializeOwned>(what: &str, body: &[u8]) -> Result<T, PebbleError> {
    serde_json::from_slice(body)
        .map_err(|error| PebbleError::protocol(what, shape(&error.to_string())))
}

/// What a decoder says, unless it quotes the content, which may hold secrets.
pub(super) fn shape(error: &str) -> String {
    let quotes = ["invalid type", "invalid value", "unknown variant"];
    match error.rsplit_once(" at line ") {
        Some((text, place)) if quotes.iter().any(|quote| text.contains(quote)) => {
            format!("a value of the wrong kind at line {place}")
        }
        Some(_) => error.to_owned(),
        None if quotes.iter().any(|quote| error.contains(quote)) => {
            "a value of the wrong kind".to_owned()
        }
        None => error.to_owned(),
    }
}

fn wrong_kind(what: &str, got: &str, expected: &str) -> PebbleError {
    PebbleError::protocol(
        what,
        format_args!("it is of type {got:?}, not {expected:?}"),
    )
}

fn first_line(body: &[u8]) -> String {
    let line = body.split(|b| *b == b'\n').next().unwrap_or_default();
    String::from_utf8_lossy(&line[..line.len().min(200)]).into_owned()
}
