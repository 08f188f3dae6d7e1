//! All that one run of the bench found out, as it is kept beside the page.

use serde::Serialize;

use super::kernels::Kernels;
use super::measured::{Measured, Rounds, What, median};

/// All that was measured, and where.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Outcome {
    /// When it began, in UTC.
    pub(super) date: String,
    /// Whether the sizes were small: the numbers mean little then.
    pub(super) quick: bool,
    /// The machine.
    pub(super) machine: String,
    /// Its load of the last minute, five and fifteen, at the beginning and at the end.
    pub(super) load: [String; 2],
    /// The versions of all that took part.
    pub(super) versions: Vec<String>,
    /// The digest of the charm's program.
    pub(super) dispatch: String,
    /// Milliseconds of each hook with nothing to do.
    pub(super) hook: Vec<f64>,
    /// The hook tools that such a hook called.
    pub(super) hook_tools: Vec<String>,
    /// Milliseconds of one call of a hook tool.
    pub(super) hook_tool: f64,
    /// Seconds of each list of so many backups.
    pub(super) list: Vec<f64>,
    /// How many backups were listed.
    pub(super) listed: usize,
    /// Sealing and opening on one core.
    pub(super) kernels: Option<Kernels>,
    /// All runs.
    pub(super) measured: Vec<Measured>,
    /// What was left out, and other things to know.
    pub(super) notes: Vec<String>,
}

impl Outcome {
    /// All rounds of something.
    pub(super) fn rounds(&self, set: &str, store: &str, what: What) -> Option<Rounds<'_>> {
        Rounds::of(&self.measured, set, store, what)
    }

    /// The median of the hooks with nothing to do, in milliseconds.
    pub(super) fn hook(&self) -> Option<f64> {
        (!self.hook.is_empty()).then(|| median(self.hook.clone()))
    }

    /// The median of the lists, in seconds.
    pub(super) fn list(&self) -> Option<f64> {
        (!self.list.is_empty()).then(|| median(self.list.clone()))
    }

    /// The runs of the charm that saved or restored, one of each data set and server, by bytes.
    pub(super) fn by_size(&self, what: What) -> Vec<Rounds<'_>> {
        let mut seen: Vec<(&str, &str)> = Vec::new();
        for one in self.measured.iter().filter(|one| one.what == what) {
            if !seen.contains(&(&one.set, &one.store)) {
                seen.push((&one.set, &one.store));
            }
        }
        let mut found: Vec<Rounds<'_>> = seen
            .into_iter()
            .filter_map(|(set, store)| self.rounds(set, store, what))
            .collect();
        found.sort_by_key(|rounds| rounds.first().bytes);
        found
    }
}
