//! What a restore is going to do, line by line.

use jiff::Timestamp;

use super::volumes;
use crate::backup::{Needs, Sealed};
use crate::charm::failure::Failure;
use crate::charm::report::size;
use crate::synapse::data;

/// What a restore is going to do, line by line.
#[derive(Default)]
pub(super) struct Plan(Vec<(&'static str, String)>);

impl Plan {
    pub(super) fn line(&mut self, head: &'static str, text: String) {
        self.0.push((head, text));
    }

    pub(super) fn backup(&mut self, sealed: &Sealed, now: Timestamp) {
        let finished = sealed.finished();
        let age = now.duration_since(finished).as_hours();
        let age = match age {
            0 => "less than an hour ago".to_owned(),
            1..48 => format!("{age} hours ago"),
            _ => format!("{} days ago", age / 24),
        };
        let made = finished.strftime("%Y-%m-%d %H:%M:%S UTC");
        self.0
            .push(("backup", format!("{}, made {made}, {age}", sealed.id())));
        self.0.push(("server", sealed.server_name().to_owned()));
        let schema = sealed.database().map_or_else(String::new, |database| {
            format!(", {} schema {}", database.kind, database.schema_version)
        });
        let synapse = sealed.synapse_version().unwrap_or("of unknown version");
        self.0
            .push(("made by", format!("Synapse {synapse}{schema}")));
        if sealed.scope() != sealed.places() {
            self.0.push(("part", sealed.scope().to_string()));
        }
        self.0.push((
            "holds",
            format!(
                "{} files and directories, {}, in {}",
                sealed.members(),
                size(sealed.content()),
                volumes(sealed)
            ),
        ));
    }

    pub(super) fn needs(&mut self, needs: &Needs) {
        let free = size(needs.room.bytes);
        self.0.push((
            "needs",
            format!(
                "{} on the data volume, where {free} are free",
                size(needs.bytes)
            ),
        ));
    }

    pub(super) fn swap(&mut self, census: &data::Census, keep_hours: u32) {
        let list = |names: &[String]| match names {
            [] => "nothing".to_owned(),
            names => names.join(", "),
        };
        self.0.push(("replaces", list(&census.replaced)));
        self.0.push(("leaves", list(&census.left)));
        let back = match keep_hours {
            0 => "none: restore_keep_hours is 0".to_owned(),
            hours => format!("rollback-restore, for {hours} hours"),
        };
        self.0.push(("way back", back));
    }

    pub(super) fn findings(&mut self, forced: &[String], findings: &[Failure]) {
        self.0
            .extend(forced.iter().map(|forced| ("overridden", forced.clone())));
        self.0.extend(findings.iter().map(|finding| {
            let text = finding.clone().led_by("").to_string();
            ("in the way", format!("{}: {text}", finding.code))
        }));
        if findings.is_empty() {
            self.0.push(("in the way", "nothing".to_owned()));
        }
    }

    pub(super) fn text(&self) -> String {
        let line = |(head, text): &(&str, String)| format!("{head:<10}  {text}");
        let lines: Vec<String> = self.0.iter().map(line).collect();
        lines.join("\n")
    }
}
