//! What a backup would take.

use std::collections::BTreeMap;

use super::super::ready::{CREATE, Ready};
use super::super::{Results, led};
use super::memory;
use crate::backup::{Extent, Tally};
use crate::charm::Charm;
use crate::charm::failure::Failure;
use crate::charm::report::size;
use crate::charm::selection::Selection;
use crate::synapse::data::Part;

/// What a backup would take, with sizes; nothing is written.
pub(super) fn plan(
    charm: &Charm,
    ready: &Ready,
    selection: &Selection,
    copied: u64,
) -> Result<Results, Failure> {
    let here = &ready.volume.here;
    let mut components: BTreeMap<&str, Tally> = BTreeMap::new();
    let mut order = Vec::new();
    let mut all = Extent::default();
    for part in &selection.parts {
        let name = part.component();
        let paths = selection.paths(here, part).map_err(led(CREATE))?;
        let mut extent = selection.measure(here, &paths).map_err(led(CREATE))?;
        if *part == Part::Database {
            extent = Extent::of_database(copied);
        }
        let found = extent.tally;
        all = all.and(extent);
        if !order.contains(&name) {
            order.push(name);
        }
        let tally = components.entry(name).or_default();
        tally.members += found.members;
        tally.content += found.content;
    }
    memory::volume_size(charm, ready, selection, &all)?;
    let mut lines: Vec<String> = order
        .iter()
        .map(|name| {
            let Tally { members, content } = components[name];
            format!(
                "{name:<12}  {:>10}  {members} files and directories",
                size(content)
            )
        })
        .collect();
    let content: u64 = components.values().map(|tally| tally.content).sum();
    lines.push(format!("{:<12}  {:>10}", "together", size(content)));
    lines.extend(
        selection
            .absent(here)
            .iter()
            .map(|absent| format!("not there: {absent}")),
    );
    let mut results = Results::from([
        ("result".to_owned(), "ready".to_owned()),
        ("plan".to_owned(), lines.join("\n")),
        ("content".to_owned(), content.to_string()),
        ("needs-on-volume".to_owned(), copied.to_string()),
    ]);
    for (name, tally) in components {
        results.insert(
            format!("components.{name}.content"),
            tally.content.to_string(),
        );
        results.insert(
            format!("components.{name}.files"),
            tally.members.to_string(),
        );
    }
    Ok(results)
}
