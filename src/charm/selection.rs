//! What a backup takes, as the options and the parameters of `create-backup` say.

use std::io;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use super::failure::{Failure, Kind};
use super::transfer;
use crate::backup::{Extent, Scope, walk};
use crate::juju::Options;
use crate::synapse::data::{self, Part};

/// As in config.yaml.
const VOLUME_SIZE: &str = "8GiB";
/// As in config.yaml, in percent.
const SHRINK_WARNING: u64 = 50;
/// A smaller volume would be nearly all head and tail.
const SMALLEST_VOLUME: u64 = 1 << 20;
/// The largest object that every store takes.
const LARGEST_VOLUME: u64 = 4 << 40;
/// A `*` stands for part of a name, never for a slash: as `tar` is told, too.
const WITHIN_NAMES: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};
/// The parameter with patterns for one backup.
const EXCLUDE: &str = "exclude";
/// The word for all of the operator's own paths.
const EXTRA: &str = "extra";

/// What a backup takes.
#[derive(Debug, Clone)]
pub(super) struct Selection {
    /// The parts of the data directory, in the order in which they are saved.
    pub(super) parts: Vec<Part>,
    /// What is left out of them.
    exclude: Vec<Pattern>,
    /// The most bytes of a volume.
    pub(super) volume_size: u64,
    /// By how many percent a backup may hold less than the one before without a warning.
    pub(super) shrink_warning: u64,
}

/// By how many percent a backup may hold less than the one before without a warning.
pub(super) fn shrink_warning(options: &Options) -> Result<u64, String> {
    match options.whole("backup_shrink_warning") {
        None => Ok(SHRINK_WARNING),
        Some(percent @ 0..=100) => Ok(percent.unsigned_abs()),
        Some(percent) => Err(format!("{percent} is not between 0 and 100")),
    }
}

impl Selection {
    /// Reads the options, and the parameters `components` and `exclude`; gives everything that is wrong with them.
    pub(super) fn read(
        application: &str,
        options: &Options,
        (components, excluded): (&str, &str),
    ) -> Result<Self, Vec<Failure>> {
        let mut problems = Vec::new();
        let mut wrong = |option: &str, problem: String| {
            let hint = match option {
                EXCLUDE => "correct it, and run the action again".to_owned(),
                option => format!("correct it: juju config {application} {option}=..."),
            };
            problems.push(Failure::new(
                Kind::Operator,
                "option-invalid",
                format!("{option}: {problem}"),
                hint,
            ));
        };
        let mut extra = Vec::new();
        for path in words(options.text("backup_extra_paths").unwrap_or_default()) {
            let below = path.strip_prefix("/data/").unwrap_or(path);
            match Part::extra(below) {
                Err(error) => wrong("backup_extra_paths", error.to_string()),
                Ok(part) => match data::clash(Path::new(below.trim_end_matches('/'))) {
                    Some(what) => wrong(
                        "backup_extra_paths",
                        format!("{path} belongs to {what}, and needs not be named"),
                    ),
                    None => extra.push(part),
                },
            }
        }
        let mut exclude = Vec::new();
        let always = options.text("backup_exclude").unwrap_or_default();
        for (said_by, patterns) in [("backup_exclude", always), (EXCLUDE, excluded)] {
            for text in words(patterns) {
                match pattern(text) {
                    Ok(pattern) => exclude.push(pattern),
                    Err(problem) => wrong(said_by, problem),
                }
            }
        }
        let size = options.text("backup_volume_size").unwrap_or(VOLUME_SIZE);
        let volume_size = volume_size(size).unwrap_or_else(|problem| {
            wrong("backup_volume_size", problem);
            0
        });
        let shrink_warning = shrink_warning(options).unwrap_or_else(|problem| {
            wrong("backup_shrink_warning", problem);
            0
        });
        let remote = options.flag("backup_remote_media").unwrap_or_default();
        let parts = parts(components, remote, extra).unwrap_or_else(|problem| {
            problems.push(problem);
            Vec::new()
        });
        match problems.is_empty() {
            true => Ok(Self {
                parts,
                exclude,
                volume_size,
                shrink_warning,
            }),
            false => Err(problems),
        }
    }

    /// The words for what is taken.
    pub(super) fn places(&self) -> Scope {
        self.parts.iter().map(ToString::to_string).collect()
    }

    /// Leaves the database out, because it is in PostgreSQL, whose own charm saves it.
    pub(super) fn without_database(&mut self, provider: Option<&str>) -> Result<(), Failure> {
        self.parts.retain(|part| *part != Part::Database);
        if !self.parts.is_empty() {
            return Ok(());
        }
        let provider = provider.unwrap_or("postgresql-k8s");
        let hint = format!("save it there: juju run {provider}/leader create-backup");
        let cause = "the database is in PostgreSQL, and nothing else was chosen";
        Err(Failure::new(
            Kind::Operator,
            "database-elsewhere",
            cause,
            hint,
        ))
    }

    /// Whether the database is taken.
    pub(super) fn has_database(&self) -> bool {
        self.parts.contains(&Part::Database)
    }

    /// Whether all local media is taken.
    pub(super) fn has_media(&self) -> bool {
        // Which uploads a pattern leaves out is known only when each is met.
        let whole = |pattern: &Pattern| !pattern.as_str().starts_with("media/local_content");
        self.parts.contains(&Part::Media) && self.exclude.iter().all(whole)
    }

    /// The patterns as `tar` takes them, for members that begin with `base`.
    pub(super) fn patterns(&self, base: &str) -> Vec<String> {
        let patterns = self.exclude.iter();
        patterns
            .map(|pattern| format!("{base}/{pattern}"))
            .collect()
    }

    /// The paths of a part that are there, relative to the data directory at `root`.
    pub(super) fn paths(&self, root: &Path, part: &Part) -> io::Result<Vec<PathBuf>> {
        let paths = match part {
            Part::Extra(_) => data::replaced(root, std::slice::from_ref(part))?,
            _ => data::saved(root, part)?,
        };
        Ok(paths
            .into_iter()
            .filter(|path| !self.leaves_out(path))
            .collect())
    }

    /// Extra paths that are not there.
    pub(super) fn absent(&self, root: &Path) -> Vec<String> {
        let gone = |part: &&Part| match part {
            Part::Extra(path) => !root.join(path).exists(),
            _ => false,
        };
        let absent = self.parts.iter().filter(gone);
        absent.map(|part| part.to_string()).collect()
    }

    /// Measures what is taken of some paths below `root`.
    ///
    /// Files come and go while it looks; what is gone does not count.
    pub(super) fn measure(&self, root: &Path, paths: &[PathBuf]) -> io::Result<Extent> {
        let mut extent = Extent::default();
        for path in paths {
            walk(&root.join(path), |here, metadata| {
                let below = here.strip_prefix(root).unwrap_or(here);
                let taken = !self.leaves_out(below);
                if taken {
                    let size = if metadata.is_dir() { 0 } else { metadata.len() };
                    extent.add(below, size);
                }
                Ok(taken)
            })?;
        }
        Ok(extent)
    }

    fn leaves_out(&self, path: &Path) -> bool {
        let mut exclude = self.exclude.iter();
        exclude.any(|pattern| pattern.matches_path_with(path, WITHIN_NAMES))
    }
}

/// Words between commas and white space.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    let between = |letter: char| letter == ',' || letter.is_whitespace();
    text.split(between).filter(|word| !word.is_empty())
}

/// Reads a pattern of paths to leave out, relative to the data directory.
fn pattern(text: &str) -> Result<Pattern, String> {
    let below = text
        .strip_prefix("/data/")
        .unwrap_or(text)
        .trim_end_matches('/');
    if below.contains("**") {
        return Err(format!(
            "{text:?} has **; a directory that matches is left out with all that is in it"
        ));
    }
    let pattern =
        Pattern::new(below).map_err(|error| format!("{text:?} is no pattern: {}", error.msg))?;
    let leads = Part::extra(below).is_ok();
    let spoils = [
        "homeserver.db",
        "homeserver.yaml",
        "x.signing.key",
        "x.secret",
    ];
    if !leads
        || spoils
            .iter()
            .any(|name| pattern.matches_with(name, WITHIN_NAMES))
    {
        return Err(format!(
            "{text:?} would leave out the database, a key or the configuration; choose with components= instead"
        ));
    }
    Ok(pattern)
}

/// Reads the parameter `components`; nothing stands for all.
fn parts(components: &str, remote: bool, extra: Vec<Part>) -> Result<Vec<Part>, Failure> {
    let asked: Vec<&str> = words(components).collect();
    let known =
        |word: &&&str| **word == EXTRA || Part::PLAIN.iter().any(|part| part.component() == **word);
    if let Some(word) = asked.iter().find(|word| !known(word)) {
        let shown: String = word.chars().take(80).collect();
        let names: Vec<&str> = Part::PLAIN.iter().map(Part::component).collect();
        return Err(Failure::new(
            Kind::Operator,
            "components-invalid",
            format!("components names {shown:?}, which is none"),
            format!("they are {} and {EXTRA}", names.join(", ")),
        ));
    }
    let wanted = |name: &str| match asked.as_slice() {
        [] => name != Part::RemoteMedia.component() || remote,
        asked => asked.contains(&name),
    };
    let plain = Part::PLAIN.into_iter();
    let mut parts: Vec<Part> = plain.filter(|part| wanted(part.component())).collect();
    if wanted(EXTRA) {
        if !asked.is_empty() && extra.is_empty() {
            return Err(Failure::new(
                Kind::Operator,
                "components-invalid",
                "components names extra, and no extra paths are configured",
                "name them in the option backup_extra_paths",
            ));
        }
        parts.extend(extra);
    }
    Ok(parts)
}

/// Reads the size of a volume.
fn volume_size(text: &str) -> Result<u64, String> {
    match transfer::size(text.trim()) {
        None => Err(format!(
            "{text:?} is no size; write one such as 8GiB or 512MiB"
        )),
        Some(size) if (SMALLEST_VOLUME..=LARGEST_VOLUME).contains(&size) => Ok(size),
        Some(_) => Err(format!("{text:?} is not between 1MiB and 4TiB")),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn read(options: &str, components: &str) -> Result<Selection, Vec<Failure>> {
        let options: std::collections::BTreeMap<_, _> = serde_json::from_str(options).unwrap();
        let options = Options::from(options);
        Selection::read("synapse", &options, (components, ""))
    }

    fn places(options: &str, components: &str) -> String {
        read(options, components).unwrap().places().to_string()
    }

    #[test]
    fn everything_but_what_can_be_made_again_is_taken_unless_told_otherwise() {
        assert_eq!(places("{}", ""), "keys, config, database, media");
        assert_eq!(
            places(r#"{"backup_remote_media":true}"#, ""),
            "keys, config, database, media, remote-media"
        );
        let extra = r#"{"backup_extra_paths":"/data/modules\nnotes.txt"}"#;
        assert_eq!(
            places(extra, ""),
            "keys, config, database, media, extra:modules, extra:notes.txt"
        );
        assert_eq!(places(extra, "media keys"), "keys, media");
        assert_eq!(places(extra, "extra"), "extra:modules, extra:notes.txt");
        assert_eq!(places("{}", "remote-media"), "remote-media");
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let options = r#"{"backup_extra_paths":"../x media/local_content","backup_exclude":"** *.db [","backup_volume_size":"8"}"#;
        let problems = read(options, "data").unwrap_err();
        let told: Vec<String> = problems
            .iter()
            .map(|problem| problem.cause().to_owned())
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
        backup_extra_paths: "../x" is no path below the data directory
        backup_extra_paths: media/local_content belongs to the component media, and needs not be named
        backup_exclude: "**" has **; a directory that matches is left out with all that is in it
        backup_exclude: "*.db" would leave out the database, a key or the configuration; choose with components= instead
        backup_exclude: "[" is no pattern: invalid range pattern
        backup_volume_size: "8" is no size; write one such as 8GiB or 512MiB
        components names "data", which is none
        "#);
    }

    #[test]
    fn patterns_of_one_backup_are_added_to_those_of_all() {
        let read = |excluded| {
            let options = r#"{"backup_exclude":"*.log"}"#;
            let options: std::collections::BTreeMap<_, _> = serde_json::from_str(options).unwrap();
            Selection::read("synapse", &Options::from(options), ("", excluded))
        };
        let selection = read("modules/*.pyc, *.tmp").unwrap();
        assert_eq!(
            selection.patterns("data"),
            ["data/*.log", "data/modules/*.pyc", "data/*.tmp"]
        );
        let refused = &read("*.db").unwrap_err()[0];
        assert!(refused.cause().starts_with("exclude: "), "{refused}");
        assert!(!refused.to_string().contains("juju config"), "{refused}");
    }

    #[test]
    fn sizes_are_read_with_their_unit() {
        assert_eq!(volume_size("8GiB"), Ok(8 << 30));
        assert_eq!(volume_size("512 MiB"), Ok(512 << 20));
        for text in ["", "8", "8GB", "-1GiB", "1KiB", "99999999TiB", "GiB"] {
            assert!(volume_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn patterns_leave_out_names_and_whole_directories() {
        let directory = tempfile::tempdir().unwrap();
        for file in [
            "media/local_content/aa/b.tmp",
            "media/local_content/aa/c",
            "media/local_thumbnails/aa/1",
        ] {
            let path = directory.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "12345").unwrap();
        }
        let options = r#"{"backup_exclude":"media/local_content/*/*.tmp,media/local_thumbnails/"}"#;
        let selection = read(options, "").unwrap();
        let paths = selection.paths(directory.path(), &Part::Media).unwrap();
        assert_eq!(paths, [Path::new("media/local_content")]);
        let Extent { tally, largest } = selection.measure(directory.path(), &paths).unwrap();
        assert_eq!((tally.members, tally.content), (3, 5));
        assert_eq!(largest, (5, PathBuf::from("media/local_content/aa/c")));
        assert_eq!(selection.patterns("data")[1], "data/media/local_thumbnails");
    }
}
