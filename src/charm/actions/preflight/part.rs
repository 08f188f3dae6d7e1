//! Which part of a backup is to be restored.

use super::finding;
use crate::backup::{Scope, Sealed};
use crate::charm::failure::Failure;
use crate::charm::selection::words;
use crate::charm::swaps::parts;
use crate::synapse::data::{MediaId, Part};

/// What an operator asks for: all, some components, or one medium.
#[derive(Clone, Copy)]
pub(in crate::charm::actions) struct Asked<'a> {
    pub(in crate::charm::actions) components: &'a str,
    pub(in crate::charm::actions) media_id: &'a str,
}

impl Asked<'_> {
    /// What that is of this backup, and what has to be staged beside it; `None` for all of it.
    pub(super) fn of(self, sealed: &Sealed) -> Result<Option<(Scope, Scope)>, Failure> {
        let held = parts(sealed.places());
        match (self.components, self.media_id) {
            ("", "") => Ok(None),
            (components, "") => {
                let scope = chosen(components, &held)?;
                Ok((scope != *sealed.places()).then(|| (scope, Scope::default())))
            }
            ("", id) => one(id, &held).map(Some),
            _ => Err(finding(
                "part-invalid",
                "components and media-id are given, and only one of them can be",
                "leave one of them away",
            )),
        }
    }
}

/// The components that were asked for, of those that the backup holds.
fn chosen(components: &str, held: &[Part]) -> Result<Scope, Failure> {
    let asked: Vec<&str> = words(components).collect();
    let mut names: Vec<&str> = held.iter().map(Part::component).collect();
    names.dedup();
    if let Some(word) = asked.iter().find(|word| !names.contains(word)) {
        let shown: String = word.chars().take(80).collect();
        let cause = format!("the backup holds no component {shown:?}");
        let hint = format!("it holds {}", names.join(", "));
        return Err(finding("part-invalid", &cause, hint));
    }
    let chosen = held.iter().filter(|part| asked.contains(&part.component()));
    Ok(chosen.map(ToString::to_string).collect())
}

/// One medium; its rows come from the database in the backup.
fn one(id: &str, held: &[Part]) -> Result<(Scope, Scope), Failure> {
    let id = MediaId::parse(id).map_err(|error| {
        let hint = "give the last part of its address mxc://<server>/<id>";
        finding("part-invalid", &error.to_string(), hint)
    })?;
    if let Some(part) = [Part::Media, Part::Database]
        .iter()
        .find(|part| !held.contains(part))
    {
        let cause =
            format!("the backup does not hold the component {part}, which a single medium needs");
        return Err(finding(
            "part-invalid",
            &cause,
            "restore it from another backup",
        ));
    }
    let scope = |part: Part| [part.to_string()].into_iter().collect();
    Ok((scope(Part::MediaId(id)), scope(Part::Database)))
}
