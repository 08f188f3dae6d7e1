//! What `tar` is to read for a backup.

use std::io;
use std::path::Path;

use super::copy::Copy;
use super::relative;
use crate::backup::{Group, Source, SourceRoot, Tally};
use crate::charm::selection::Selection;
use crate::synapse::{self, data};

/// The groups that are read one after the other: first what is small, with the database, so that both come before the
/// media; then the media; then what the operator has added.
pub(super) fn source(
    here: &Path,
    selection: &Selection,
    copy: Option<&Copy>,
) -> io::Result<Source> {
    let base = relative(synapse::DATA);
    let mut first = Group {
        roots: Vec::new(),
        tally: Tally::default(),
    };
    if let Some(copy) = &copy {
        first.roots.push(SourceRoot {
            directory: copy.root.clone(),
            paths: vec![format!("{base}/homeserver.db")],
        });
        first.tally = Tally {
            members: 1,
            content: copy.size,
        };
    }
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
    let mut groups = vec![first];
    for (number, paths) in [small, media, extra].into_iter().enumerate() {
        if paths.is_empty() {
            continue;
        }
        let tally = selection.measure(here, &paths)?;
        let root = SourceRoot {
            directory: "/".to_owned(),
            paths: paths
                .iter()
                .map(|path| Path::new(base).join(path).display().to_string())
                .collect(),
        };
        match number {
            0 => {
                groups[0].tally.members += tally.members;
                groups[0].tally.content += tally.content;
                groups[0].roots.push(root);
            }
            _ => groups.push(Group {
                roots: vec![root],
                tally,
            }),
        }
    }
    groups.retain(|group| !group.roots.is_empty());
    Ok(Source {
        groups,
        exclude: selection.patterns(base),
        user_id: synapse::UID,
        group_id: synapse::GID,
        component: |path| {
            let below = path.strip_prefix(relative(synapse::DATA)).unwrap_or(path);
            data::component(Path::new(below.trim_start_matches('/')))
        },
    })
}
