//! What `tar` is to read for a backup.

use std::io;
use std::path::{Path, PathBuf};

use super::copy::Copy;
use super::relative;
use crate::backup::{Extent, Group, Source, SourceRoot, Tally};
use crate::charm::selection::Selection;
use crate::synapse::{self, data};

/// The groups that are read one after the other: first what is small, with the database, so that both come before the
/// media; then the media; then what the operator has added. Beside them how much there is in all.
pub(super) fn source(
    here: &Path,
    selection: &Selection,
    copy: Option<&Copy>,
) -> io::Result<(Source, Extent)> {
    let base = relative(synapse::DATA);
    let (mut media, mut extra) = (Vec::new(), Vec::new());
    let mut small = Vec::new();
    for part in &selection.parts {
        let paths = selection.paths(here, part)?;
        match part {
            data::Part::Media | data::Part::RemoteMedia | data::Part::MediaId(_) => {
                media.extend(paths);
            }
            data::Part::Extra(_) => extra.extend(paths),
            data::Part::Keys | data::Part::Config | data::Part::Database => small.extend(paths),
        }
    }
    let mut groups = Vec::new();
    let mut all = Extent::default();
    for (copy, paths) in [(copy, small), (None, media), (None, extra)] {
        let mut extent = selection.measure(here, &paths)?;
        let mut group = Group {
            roots: Vec::new(),
            tally: Tally::default(),
        };
        if let Some(copy) = copy {
            extent = extent.and(Extent::of_database(copy.size));
            group.roots.push(SourceRoot {
                directory: copy.root.clone(),
                paths: vec![format!("{base}/homeserver.db")],
            });
        }
        group.tally = extent.tally;
        all = all.and(extent);
        if !paths.is_empty() {
            let named = |path: &PathBuf| Path::new(base).join(path).display().to_string();
            group.roots.push(SourceRoot {
                directory: "/".to_owned(),
                paths: paths.iter().map(named).collect(),
            });
        }
        if !group.roots.is_empty() {
            groups.push(group);
        }
    }
    let source = Source {
        groups,
        exclude: selection.patterns(base),
        user_id: synapse::UID,
        group_id: synapse::GID,
        component: |path| {
            let below = path.strip_prefix(relative(synapse::DATA)).unwrap_or(path);
            data::component(Path::new(below.trim_start_matches('/')))
        },
    };
    Ok((source, all))
}
