//! Secrets that a user adds: `add-secret`, `update-secret`, `remove-secret`, `grant-secret`, `revoke-secret`.
//!
//! As in Juju, a grant wakes nobody; a new revision wakes the units that have read the secret before.

use std::fs::File;
use std::io::Read as _;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::arguments::Arguments;
use super::{Command, Usage, controller, say};
use crate::juju::context::Bag;
use crate::juju::model::{Model, UserSecret};

pub(super) const ADD_SECRET: Command = Command {
    name: "add-secret",
    usage: "add-secret <name> key[#base64|#file]=value ...",
    flags: &[],
    run: add_secret,
};

pub(super) const UPDATE_SECRET: Command = Command {
    name: "update-secret",
    usage: "update-secret <secret> key[#base64|#file]=value ...",
    flags: &[],
    run: update_secret,
};

pub(super) const REMOVE_SECRET: Command = Command {
    name: "remove-secret",
    usage: "remove-secret <secret>",
    flags: &[],
    run: remove_secret,
};

pub(super) const GRANT_SECRET: Command = Command {
    name: "grant-secret",
    usage: "grant-secret <secret> <application>[,...]",
    flags: &[],
    run: |arguments| set_grant(arguments, true),
};

pub(super) const REVOKE_SECRET: Command = Command {
    name: "revoke-secret",
    usage: "revoke-secret <secret> <application>[,...]",
    flags: &[],
    run: |arguments| set_grant(arguments, false),
};

fn add_secret(mut arguments: Arguments) -> Result<u8> {
    let name = arguments.next("secret name")?;
    let content = content(&arguments.rest())?;
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

fn update_secret(mut arguments: Arguments) -> Result<u8> {
    let which = arguments.next("secret")?;
    let content = content(&arguments.rest())?;
    let controller = controller()?;
    controller.store().try_update(|model| {
        let secret = find(model, &which)?;
        secret.content = content;
        let id = secret.id.clone();
        model.tell_of_secret(&id);
        Ok(())
    })?;
    controller.settle()?;
    Ok(0)
}

fn remove_secret(mut arguments: Arguments) -> Result<u8> {
    let which = arguments.next("secret")?;
    arguments.end()?;
    controller()?.store().try_update(|model| {
        let id = find(model, &which)?.id.clone();
        model.secrets.retain(|secret| secret.id != id);
        Ok(())
    })?;
    Ok(0)
}

fn set_grant(mut arguments: Arguments, granted: bool) -> Result<u8> {
    let (which, to) = (arguments.next("secret")?, arguments.next("application")?);
    arguments.end()?;
    let controller = controller()?;
    controller.store().try_update(|model| {
        let applications = to.split(',').map(str::to_owned);
        let secret = find(model, &which)?;
        match granted {
            true => secret.granted.extend(applications),
            false => applications.for_each(|name| secret.revoke(&name)),
        }
        Ok(())
    })?;
    controller.settle()?;
    Ok(0)
}

/// The secret of that name, id or URI.
fn find<'a>(model: &'a mut Model, which: &str) -> Result<&'a mut UserSecret> {
    let id = which.strip_prefix("secret:").unwrap_or(which);
    let mut secrets = model.secrets.iter_mut();
    let found = secrets.find(|secret| secret.name == which || secret.id == id);
    found.with_context(|| format!("secret {which:?} not found"))
}

/// Reads `key=value`, `key#base64=value` and `key#file=path`; values are kept in base64.
fn content(pairs: &[String]) -> Result<Bag> {
    let mut content = Bag::new();
    for pair in pairs {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| Usage(format!("key value {pair:?} not valid")))?;
        let (key, value) = match key.rsplit_once('#') {
            Some((key, "base64")) => (key, value.to_owned()),
            Some((key, "file")) => {
                let read = std::fs::read(value);
                let read =
                    read.with_context(|| format!("reading content for secret key {key:?}"))?;
                (key, STANDARD.encode(read))
            }
            _ => (key, STANDARD.encode(value)),
        };
        content.insert(key.to_owned(), value);
    }
    Ok(content)
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
