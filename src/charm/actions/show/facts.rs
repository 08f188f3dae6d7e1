//! What is known of a backup, as values for programs.

use serde_json::{Map, Value, json};

use super::{Inside, Known, LEAD, RESULT_LIMIT, bounded, text};
use crate::backup::{Manifest, Verdict};
use crate::charm::actions::standing::{moment, proven, said, state, word};
use crate::charm::actions::{Results, led, seconds};
use crate::charm::database::Companion;
use crate::charm::failure::Failure;
use crate::juju::UnitName;

/// The flat keys, the text, and the JSON.
pub(super) fn results(known: &Known) -> Result<Results, Failure> {
    let examined = &known.examined;
    let listed = &examined.listed;
    let state = state(&listed.standing, &known.model, known.now);
    let mut flat = Flat::default();
    flat.say("result", "correct");
    flat.say("backup-id", listed.id.as_str());
    flat.say("state", &state);
    flat.say("size", listed.size.to_string());
    flat.say("objects", examined.objects.to_string());
    flat.say("bytes", examined.bytes.to_string());
    if let Some(last) = listed.last {
        flat.say("last-modified", moment(last));
    }
    if let Some(manifest) = &examined.manifest {
        of_manifest(&mut flat, manifest);
    }
    if let Some(run) = &examined.failure {
        flat.say("started", moment(run.started));
        flat.say("failed", moment(run.failed));
        flat.say("unit", &run.unit);
        flat.say("failure.code", &run.code);
        flat.say("failure.reason", &run.reason);
    }
    if listed.protected {
        flat.say("protected", "true");
    }
    for (name, text) in said(&listed.said) {
        flat.say(name, text);
    }
    if let Some(told) = listed.proven {
        flat.say("last-proven", proven(told));
    }
    for proof in &examined.proofs {
        let level = word(proof.level);
        let result = match proof.result {
            Verdict::Good => "good",
            Verdict::Broken => "broken",
        };
        flat.say(&format!("proofs.{level}.result"), result);
        flat.say(&format!("proofs.{level}.at"), moment(proof.at));
        flat.say(
            &format!("proofs.{level}.seconds"),
            format!("{:.1}", proof.seconds),
        );
        if !proof.findings.is_empty() {
            flat.say(
                &format!("proofs.{level}.findings"),
                proof.findings.join("\n"),
            );
        }
    }
    match &known.inside {
        Inside::Shut(why) => flat.say("inventory", why),
        Inside::Open(sealed) => {
            flat.say("inventory", "opened");
            flat.lines("changed", sealed.changed());
            if let Some(media) = sealed.media() {
                flat.lines("media-missing", &media.missing);
                flat.lines("media-surplus", &media.surplus);
                flat.lines("media-wrong", &media.wrong);
            }
        }
    }
    let mut results = flat.0;
    results.insert("formatted".to_owned(), bounded(text::text(known)));
    let json = document(known, &state).map_err(led(LEAD))?;
    results.insert("backup-json".to_owned(), json);
    Ok(results)
}

/// Results under keys that Juju takes.
#[derive(Default)]
struct Flat(Results);

impl Flat {
    fn say(&mut self, key: &str, text: impl AsRef<str>) {
        // A part of the key may be a name out of the bucket.
        let fits = |part: &str| {
            part.starts_with(|letter: char| letter.is_ascii_lowercase())
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
                && !part.ends_with('-')
                && part.len() <= 80
        };
        if key.split('.').all(fits) {
            self.0
                .insert(key.to_owned(), bounded(text.as_ref().to_owned()));
        }
    }

    fn lines(&mut self, key: &str, lines: &[String]) {
        if !lines.is_empty() {
            self.say(key, lines.join("\n"));
        }
    }
}

fn of_manifest(flat: &mut Flat, manifest: &Manifest) {
    flat.say("server-name", &manifest.server_name);
    flat.say("started", moment(manifest.started));
    flat.say("finished", moment(manifest.finished));
    flat.say("seconds", seconds(manifest.started, manifest.finished));
    flat.say("charm-version", &manifest.charm_version);
    flat.say("content", manifest.content.to_string());
    flat.say("files", manifest.members.to_string());
    flat.say("volumes", manifest.volumes.len().to_string());
    flat.say("places", manifest.places.to_string());
    for (key, value) in [
        ("synapse-version", &manifest.synapse_version),
        ("model", &manifest.model),
        ("unit", &manifest.unit),
    ] {
        if let Some(value) = value {
            flat.say(key, value);
        }
    }
    let companion = manifest.database.as_ref().and_then(Companion::read);
    let unit = manifest.unit.as_deref().and_then(UnitName::parse);
    if let (Some(companion), Some(unit)) = (companion, unit) {
        let recipe = companion.recipe(&unit, manifest.id.as_str());
        flat.say("database-recipe", recipe);
    }
    for (name, tally) in manifest.components.iter().take(64) {
        flat.say(
            &format!("components.{name}.content"),
            tally.content.to_string(),
        );
        flat.say(
            &format!("components.{name}.files"),
            tally.members.to_string(),
        );
    }
    for (name, part) in [
        ("database", serde_json::to_value(&manifest.database)),
        ("snapshot", serde_json::to_value(&manifest.snapshot)),
        ("media", serde_json::to_value(manifest.media)),
    ] {
        let Ok(Value::Object(fields)) = part else {
            continue;
        };
        for (field, value) in fields.iter().take(64) {
            match value {
                Value::String(text) => flat.say(&format!("{name}.{field}"), text),
                Value::Number(_) | Value::Bool(_) => {
                    flat.say(&format!("{name}.{field}"), value.to_string());
                }
                Value::Null | Value::Array(_) | Value::Object(_) => (),
            }
        }
    }
    flat.lines("warnings", &manifest.warnings);
}

/// All of it as one JSON text; what is too much for a result is left out, and named.
fn document(known: &Known, state: &str) -> Result<String, serde_json::Error> {
    let examined = &known.examined;
    let listed = &examined.listed;
    let mut whole = Map::from_iter([
        ("backup-id".to_owned(), json!(listed.id)),
        ("state".to_owned(), json!(state)),
        ("last-modified".to_owned(), json!(listed.last.map(moment))),
        ("size".to_owned(), json!(listed.size)),
        ("objects".to_owned(), json!(examined.objects)),
        ("bytes".to_owned(), json!(examined.bytes)),
        ("last-proven".to_owned(), json!(listed.proven.map(proven))),
        ("protected".to_owned(), json!(listed.protected)),
        ("proofs".to_owned(), json!(examined.proofs)),
    ]);
    if let Some(run) = &examined.failure {
        whole.insert("failure".to_owned(), json!(run));
    }
    if let Some(manifest) = &examined.manifest {
        whole.insert("manifest".to_owned(), json!(manifest));
    }
    if let Inside::Open(sealed) = &known.inside {
        let sealed = json!({"changed": sealed.changed(), "media": sealed.media()});
        whole.insert("inventory".to_owned(), sealed);
    }
    let mut left_out = Vec::new();
    for large in ["inventory", "manifest", "proofs", "failure"] {
        let text = serde_json::to_string(&whole)?;
        if text.len() <= RESULT_LIMIT {
            return Ok(text);
        }
        whole.remove(large);
        left_out.push(large);
        whole.insert("left-out".to_owned(), json!(left_out));
    }
    serde_json::to_string(&whole)
}
