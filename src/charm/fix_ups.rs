//! What is mended in data that was swapped in, before Synapse is started on it. Each can be done again.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::swaps::parts;
use super::{Charm, failure};
use crate::backup::Swapped;
use crate::synapse::config::{old_signing_keys_of, server_name_of, with_old_signing_keys};
use crate::synapse::data::{MediaId, Part};
use crate::synapse::signing_keys::{VerifyKey, clashes, retire, verify_keys};
use crate::synapse::{self, ServerName, below_data, data};

/// Mends everything; tells what was mended, a line each.
pub(super) async fn fix_up(charm: &Charm, swapped: &Swapped) -> Result<Vec<String>, String> {
    let parts = parts(&swapped.scope);
    let mut lines = Vec::new();
    if parts.contains(&Part::Database) {
        let mended = data::fix_up(&charm.client, swapped.began).await;
        let mended = mended.map_err(|error| failure::chain(&error))?;
        lines.extend(mended.iter().map(ToString::to_string));
    }
    if parts.contains(&Part::Keys) || parts.contains(&Part::Config) {
        lines.extend(retire_signing_key(swapped)?);
    }
    for part in &parts {
        if let Part::MediaId(id) = part {
            lines.extend(medium(charm, swapped, id).await?);
        }
    }
    Ok(lines)
}

/// Puts what the database in the backup knows of one medium into the live one: its row, and those of its thumbnails.
///
/// On the way back there is no such database, and the rows stay as they are.
async fn medium(charm: &Charm, swapped: &Swapped, id: &MediaId) -> Result<Option<String>, String> {
    let name = below_data(synapse::DATABASE);
    if !swapped.staged.join(name).exists() {
        return Ok(None);
    }
    let below = swapped.staged.strip_prefix(&swapped.live);
    let below = below.map_err(|error| error.to_string())?;
    let from = format!("{}/{}/{name}", synapse::DATA, below.display());
    let put = data::put_media_rows(&charm.client, &from, synapse::DATABASE, id).await;
    let put = put.map_err(|error| failure::chain(&error))?;
    Ok(Some(match put.known {
        false => format!("the database in the backup does not know {id}: its rows were left alone"),
        true => {
            let row = if put.replaced { "replaced" } else { "put in" };
            let quarantined = if put.quarantined {
                ", in quarantine"
            } else {
                ""
            };
            format!(
                "row of {id} {row} with those of {} thumbnails{quarantined}",
                put.thumbnails
            )
        }
    }))
}

/// Goes on publishing the public half of a signing key that was replaced by another one.
///
/// Other servers hold messages that it signed, and would take them for forged.
fn retire_signing_key(swapped: &Swapped) -> Result<Vec<String>, String> {
    let live = swapped.live.as_path();
    let before = server(&swapped.replaced, Some(live))?;
    let (Some(now), Some(before)) = (server(live, None)?, before) else {
        return Ok(Vec::new());
    };
    // Another server's keys are not this one's to publish.
    if now.name != before.name {
        return Ok(Vec::new());
    }
    let told = |error: &dyn std::error::Error| error.to_string();
    let kept = old_signing_keys_of(&now.configuration).map_err(|error| told(&error))?;
    let others = old_signing_keys_of(&before.configuration).map_err(|error| told(&error))?;
    let kept = kept.joined_with(others);
    let lost = clashes(&kept, &before.keys, &now.keys);
    let old = retire(kept, &before.keys, &now.keys, swapped.began);
    let text = with_old_signing_keys(&now.configuration, &old).map_err(|error| told(&error))?;
    write(swapped, below_data(synapse::CONFIG), &text)
        .map_err(|error| format!("failed to write homeserver.yaml: {error}"))?;

    let mut lines = Vec::new();
    for VerifyKey { id, .. } in before.keys.iter().filter(|key| !now.keys.contains(key)) {
        lines.push(match lost.contains(id) {
            false => format!("signing key {id} was in use before: now under old_signing_keys"),
            true => format!("signing key {id} was in use before, but another key has that name: it cannot be published"),
        });
    }
    Ok(lines)
}

/// A server, as its data directory tells.
struct Server {
    name: ServerName,
    configuration: String,
    keys: Vec<VerifyKey>,
}

/// Reads whose data lies in a directory; nobody's as long as there is no signing key.
///
/// What was not replaced is looked for beside it.
fn server(directory: &Path, beside: Option<&Path>) -> Result<Option<Server>, String> {
    let told =
        |what: &str, error: &dyn std::error::Error| format!("failed to read {what}: {error}");
    let find = |name: &str| match (text(&directory.join(name))?, beside) {
        (None, Some(beside)) => text(&beside.join(name)),
        (found, _) => Ok(found),
    };
    let configuration =
        find(below_data(synapse::CONFIG)).map_err(|error| told("homeserver.yaml", &error))?;
    let Some(configuration) = configuration else {
        return Ok(None);
    };
    let name = server_name_of(&configuration).map_err(|error| told("homeserver.yaml", &error))?;
    let path = name.signing_key_path();
    let file = find(below_data(&path))
        .map_err(|error| told("the signing key", &error))?
        .map(Zeroizing::new);
    let Some(file) = file else {
        return Ok(None);
    };
    let keys = verify_keys(&SecretString::from(file.as_str()))
        .map_err(|error| told("the signing key", &error))?;
    Ok(Some(Server {
        name,
        configuration,
        keys,
    }))
}

fn text(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Replaces a file of Synapse's in one piece.
fn write(swapped: &Swapped, name: &str, text: &str) -> io::Result<()> {
    fs::create_dir_all(&swapped.scratch)?;
    let new = swapped.scratch.join("new");
    fs::write(&new, text)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o640))?;
    chown(&new, Some(synapse::UID), Some(synapse::GID))?;
    fs::File::open(&new)?.sync_all()?;
    fs::rename(&new, swapped.live.join(name))
}
