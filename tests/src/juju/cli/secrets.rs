//! `add-secret` and `grant-secret`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::arguments::{Arguments, key_value};
use super::{Command, controller, say};
use crate::juju::model::UserSecret;

pub(super) const ADD_SECRET: Command = Command {
    name: "add-secret",
    usage: "add-secret <name> key=value ...",
    flags: &[],
    run: add_secret,
};

pub(super) const GRANT_SECRET: Command = Command {
    name: "grant-secret",
    usage: "grant-secret <secret> <application>[,...]",
    flags: &[],
    run: grant_secret,
};

fn add_secret(mut arguments: Arguments) -> Result<u8> {
    let name = arguments.next("secret name")?;
    let mut content = BTreeMap::new();
    for pair in arguments.rest() {
        let (key, value) = key_value(&pair)?;
        content.insert(key, STANDARD.encode(value));
    }
    let id = fresh_id()?;
    controller()?.store().try_update(|model| {
        ensure!(
            model.secrets.iter().all(|secret| secret.name != name),
            "secret with name {name:?} already exists"
        );
        model.secrets.push(UserSecret {
            id: id.clone(),
            name: name.clone(),
            content,
            ..UserSecret::default()
        });
        Ok(())
    })?;
    say(&format!("secret:{id}"));
    Ok(0)
}

fn grant_secret(mut arguments: Arguments) -> Result<u8> {
    let (which, to) = (arguments.next("secret")?, arguments.next("application")?);
    arguments.end()?;
    let controller = controller()?;
    controller.store().try_update(|model| {
        let id = which.strip_prefix("secret:").unwrap_or(&which);
        let found = model
            .secrets
            .iter_mut()
            .find(|secret| secret.name == which || secret.id == id);
        let secret = found.with_context(|| format!("secret {which:?} not found"))?;
        secret.granted.extend(to.split(',').map(str::to_owned));
        Ok(())
    })?;
    controller.settle()?;
    Ok(0)
}

/// Twenty characters of base32hex for twelve bytes: the last one is `0` or `g`.
fn fresh_id() -> Result<String> {
    const LETTERS: &[u8] = b"0123456789abcdefghijklmnopqrstuv";
    let mut bytes = [0; 20];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let last = if bytes[19] & 1 == 0 { '0' } else { 'g' };
    let id: String = bytes[..19]
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(byte & 31)]))
        .collect();
    Ok(format!("{id}{last}"))
}
