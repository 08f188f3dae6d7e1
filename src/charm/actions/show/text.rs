//! What is known of a backup, as aligned lines for people.

use super::{Inside, Known};
use crate::backup::{
    Database, Examined, FailedRun, Manifest, MediaFindings, Proof, Standing, Verdict,
};
use crate::charm::actions::standing::{moment, proven, said, state, word};
use crate::charm::report::size;

/// Characters of a label.
const LABEL: usize = 12;
/// The most lines of one list.
const LINES: usize = 50;
/// The most characters of what somebody else wrote.
const WORDS: usize = 300;

/// Lines with a label each, or with that of the line before.
#[derive(Default)]
struct Sheet(Vec<String>);

impl Sheet {
    fn say(&mut self, label: &str, text: impl AsRef<str>) {
        let printable = text
            .as_ref()
            .chars()
            .map(|letter| match letter.is_control() {
                true => ' ',
                false => letter,
            });
        let text: String = printable.take(WORDS).collect();
        self.0.push(format!("{label:<LABEL$}  {text}"));
    }

    /// A line each under one label, and how many more there are.
    fn list(&mut self, label: &str, lines: impl ExactSizeIterator<Item = String>) {
        let more = lines.len().saturating_sub(LINES);
        let shown = lines.take(LINES);
        let more = (more > 0).then(|| format!("and {more} more"));
        for (number, line) in shown.chain(more).enumerate() {
            self.say(if number == 0 { label } else { "" }, line);
        }
    }
}

/// All of it.
pub(super) fn text(known: &Known) -> String {
    let mut sheet = Sheet::default();
    let examined = &known.examined;
    let listed = &examined.listed;
    sheet.say("backup", listed.id.as_str());
    sheet.say("state", state(&listed.standing, &known.model, known.now));
    match &examined.manifest {
        Some(manifest) => finished(&mut sheet, manifest),
        None => unfinished(&mut sheet, examined),
    }
    if let Some(run) = &examined.failure {
        failed(&mut sheet, run);
    }
    if let Standing::InProgress(work) = &listed.standing
        && let Some(phase) = &work.phase
    {
        sheet.say("phase", phase);
    }
    if listed.protected {
        sheet.say("protected", "yes");
    }
    for (name, text) in said(&listed.said) {
        sheet.say(name, text);
    }
    let told = listed.proven.map_or_else(|| "never".to_owned(), proven);
    sheet.say("last proven", told);
    let proofs: Vec<String> = examined.proofs.iter().flat_map(proof).collect();
    sheet.list("", proofs.into_iter());
    if let Some(manifest) = &examined.manifest {
        let volumes = manifest.volumes.iter().map(|volume| {
            format!(
                "{}  {:>10}  {} members",
                volume.name(),
                size(volume.size),
                volume.members
            )
        });
        sheet.list("volumes", volumes);
    }
    if examined.log {
        sheet.say("log of run", format!("{}/run.log", listed.id));
    }
    match &known.inside {
        Inside::Shut(why) => sheet.say("inventory", why),
        Inside::Open(sealed) => {
            let with = match sealed.passphrase() {
                0 => "sealed; opened with the passphrase that is set",
                _ => "sealed; opened with an older passphrase",
            };
            sheet.say("inventory", with);
            sheet.list("changed", sealed.changed().iter().cloned());
            if let Some(media) = sealed.media() {
                named(&mut sheet, media);
            }
        }
    }
    sheet.0.join("\n")
}

/// What there is of a backup without a manifest.
fn unfinished(sheet: &mut Sheet, examined: &Examined) {
    let last = examined.listed.last.map(moment);
    let bytes = size(examined.bytes);
    if examined.listed.standing == Standing::Legacy {
        sheet.say("made by", "the Python charm");
        sheet.say("written", last.unwrap_or_default());
        sheet.say("size", format!("{bytes} in one object"));
        let how = "what is in it is known only when it is read: run verify-backup";
        sheet.say("holds", how);
        return;
    }
    if let Some(last) = last {
        sheet.say("last heard", last);
    }
    sheet.say(
        "in bucket",
        format!("{bytes} in {} objects", examined.objects),
    );
}

fn finished(sheet: &mut Sheet, manifest: &Manifest) {
    sheet.say("server", &manifest.server_name);
    let seconds = manifest
        .finished
        .duration_since(manifest.started)
        .as_secs_f64();
    sheet.say("started", moment(manifest.started));
    sheet.say(
        "finished",
        format!("{}, after {seconds:.1} s", moment(manifest.finished)),
    );
    let mut made = format!("charm {}", manifest.charm_version);
    if let Some(unit) = &manifest.unit {
        made = format!("{unit}, {made}");
    }
    if let Some(version) = &manifest.synapse_version {
        made = format!("{made}, Synapse {version}");
    }
    sheet.say("made by", made);
    let volumes = match manifest.volumes.len() {
        1 => "1 volume".to_owned(),
        count => format!("{count} volumes"),
    };
    sheet.say("size", format!("{} in {volumes}", size(manifest.size)));
    sheet.say(
        "holds",
        format!(
            "{} in {} files and directories",
            size(manifest.content),
            manifest.members
        ),
    );
    let components = manifest.components.iter().map(|(name, tally)| {
        format!(
            "{name:<12}  {:>10}  {} files and directories",
            size(tally.content),
            tally.members
        )
    });
    sheet.list("", components);
    if let Some(database) = &manifest.database {
        self::database(sheet, database);
    }
    if let Some(snapshot) = &manifest.snapshot {
        let slowest = snapshot
            .slowest_request
            .map(|slowest| format!(", slowest request meanwhile {slowest} ms"));
        sheet.say(
            "snapshot",
            format!(
                "{} in {} ms{}, checked: {}",
                size(snapshot.size),
                snapshot.milliseconds,
                slowest.unwrap_or_default(),
                snapshot.check
            ),
        );
    }
    if let Some(media) = &manifest.media {
        sheet.say(
            "media",
            format!(
                "{} known to the database, {} files; {} missing, {} surplus, {} wrong",
                media.rows, media.files, media.missing, media.surplus, media.wrong
            ),
        );
    }
    sheet.list("warnings", manifest.warnings.iter().cloned());
}

fn database(sheet: &mut Sheet, database: &Database) {
    let Database {
        kind,
        schema_version,
        schema_compat_version,
        rows,
        more,
    } = database;
    sheet.say("database", format!("{kind}, schema {schema_version}, for a Synapse of schema {schema_compat_version} or later"));
    let facts = more.iter().filter_map(|(name, value)| match value {
        serde_json::Value::String(text) => Some(format!("{name}: {text}")),
        serde_json::Value::Number(number) => Some(format!("{name}: {number}")),
        serde_json::Value::Bool(flag) => Some(format!("{name}: {flag}")),
        serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
            None
        }
    });
    sheet.list("", facts.collect::<Vec<_>>().into_iter());
    let rows: Vec<String> = rows
        .iter()
        .map(|(table, rows)| format!("{table} {rows}"))
        .collect();
    if !rows.is_empty() {
        sheet.say("", format!("rows: {}", rows.join(", ")));
    }
}

fn failed(sheet: &mut Sheet, run: &FailedRun) {
    sheet.say("started", moment(run.started));
    sheet.say("failed", moment(run.failed));
    sheet.say("made by", &run.unit);
    sheet.say("error-code", &run.code);
}

/// A proof, and what it found.
fn proof(proof: &Proof) -> Vec<String> {
    let result = match proof.result {
        Verdict::Good => "good",
        Verdict::Broken => "broken",
    };
    let head = format!(
        "{:<8}  {result:<6}  {}, in {:.1} s, by {}",
        word(proof.level),
        moment(proof.at),
        proof.seconds,
        proof.unit
    );
    let findings = proof
        .findings
        .iter()
        .take(LINES)
        .map(|finding| format!("  {finding}"));
    std::iter::once(head).chain(findings).collect()
}

fn named(sheet: &mut Sheet, media: &MediaFindings) {
    let MediaFindings {
        missing,
        surplus,
        wrong,
    } = media;
    for (label, names) in [("missing", missing), ("surplus", surplus), ("wrong", wrong)] {
        sheet.list(label, names.iter().cloned());
    }
}
