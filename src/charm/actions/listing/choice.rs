//! Which backups a listing shows: the parameters of `list-backups`.

use std::collections::BTreeSet;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::backup::{self, Listed, Standing};
use crate::charm::actions::Parameters;
use crate::charm::failure::{Failure, Kind};

/// What is asked for; what is not said asks for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Choice {
    filter: String,
    label: String,
    tags: BTreeSet<String>,
    states: Vec<Kindred>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    limit: Option<usize>,
    /// What is answered.
    pub(super) form: Form,
    /// Whether the newest comes first.
    pub(super) newest_first: bool,
}

/// What a listing answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Form {
    /// A table, values by backup, and JSON.
    #[default]
    All,
    /// The table alone.
    Table,
    /// The JSON alone.
    Json,
}

/// A state as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kindred {
    Finished,
    Warnings,
    InProgress,
    Failed,
    Damaged,
    Legacy,
}

/// The words for states.
const STATES: [(&str, Kindred); 6] = [
    ("finished", Kindred::Finished),
    ("warnings", Kindred::Warnings),
    ("in-progress", Kindred::InProgress),
    ("failed", Kindred::Failed),
    ("damaged", Kindred::Damaged),
    ("legacy", Kindred::Legacy),
];

impl Choice {
    /// Reads the parameters; the first that is wrong is told with its value.
    pub(super) fn read(parameters: &Parameters) -> Result<Self, Failure> {
        let wrong = |name: &'static str, problem: String| {
            let cause = format!("{name}: {problem}");
            let hint = "see docs/reference/actions.md, list-backups";
            Failure::new(Kind::Operator, "parameter-invalid", cause, hint)
                .led_by("Error listing backups.")
        };
        let text = |name| parameters.text(name).trim();
        let words = text("state")
            .split([',', ' '])
            .filter(|word| !word.is_empty());
        let states: Result<Vec<Kindred>, Failure> = words
            .map(|word| {
                let known = STATES.iter().find(|(name, _)| *name == word);
                known.map(|(_, state)| *state).ok_or_else(|| {
                    let names: Vec<&str> = STATES.iter().map(|(name, _)| *name).collect();
                    let word: String = word.chars().take(80).collect();
                    wrong("state", format!("{word:?} is none of {}", names.join(", ")))
                })
            })
            .collect();
        let moment = |name, end_of_day| match text(name) {
            "" => Ok(None),
            said => time(said, end_of_day).map(Some).ok_or_else(|| {
                let said: String = said.chars().take(80).collect();
                let problem = format!(
                    "{said:?} is no day such as 2026-11-22, nor a time such as 2026-11-22T12:00:00Z"
                );
                wrong(name, problem)
            }),
        };
        let limit = match parameters.whole("limit") {
            None | Some(0) => None,
            Some(number) => Some(usize::try_from(number).map_err(|_negative| {
                wrong("limit", format!("{number} is not a number of backups"))
            })?),
        };
        let newest_first = match text("order") {
            "" | "oldest" => false,
            "newest" => true,
            other => {
                let other: String = other.chars().take(80).collect();
                return Err(wrong(
                    "order",
                    format!("{other:?} is neither oldest nor newest"),
                ));
            }
        };
        let form = match text("format") {
            "" => Form::All,
            "table" => Form::Table,
            "json" => Form::Json,
            other => {
                let other: String = other.chars().take(80).collect();
                return Err(wrong(
                    "format",
                    format!("{other:?} is neither table nor json"),
                ));
            }
        };
        let tags = backup::tags(text("tags")).map_err(|error| wrong("tags", error.to_string()))?;
        Ok(Self {
            filter: text("filter").to_owned(),
            label: text("label").to_owned(),
            tags,
            states: states?,
            since: moment("since", false)?,
            until: moment("until", true)?,
            limit,
            form,
            newest_first,
        })
    }

    /// Those that are asked for, oldest first; with a limit the newest of them.
    pub(super) fn of(&self, mut listed: Vec<Listed>) -> Vec<Listed> {
        listed.retain(|backup| self.takes(backup));
        if let Some(limit) = self.limit {
            listed.drain(..listed.len().saturating_sub(limit));
        }
        listed
    }

    fn takes(&self, backup: &Listed) -> bool {
        let said = &backup.said;
        let mentioned = || backup.id.as_str().contains(&self.filter) || said.mentions(&self.filter);
        let begun = backup.id.time();
        (self.filter.is_empty() || mentioned())
            && (self.label.is_empty() || said.label == self.label)
            && self.tags.is_subset(&said.tags)
            && (self.states.is_empty() || self.has_state(&backup.standing))
            && self
                .since
                .is_none_or(|since| begun.is_some_and(|at| at >= since))
            && self
                .until
                .is_none_or(|until| begun.is_some_and(|at| at < until))
    }

    /// Who asks for finished ones asks for those with warnings, too.
    fn has_state(&self, standing: &Standing) -> bool {
        let state = kindred(standing);
        let warned = state == Kindred::Warnings && self.states.contains(&Kindred::Finished);
        warned || self.states.contains(&state)
    }
}

fn kindred(standing: &Standing) -> Kindred {
    match standing {
        Standing::Finished => Kindred::Finished,
        Standing::FinishedWithWarnings => Kindred::Warnings,
        Standing::InProgress(_) => Kindred::InProgress,
        Standing::Failed { .. } | Standing::Interrupted => Kindred::Failed,
        Standing::Damaged { .. } => Kindred::Damaged,
        Standing::Legacy => Kindred::Legacy,
    }
}

/// A moment, or the beginning of a day in UTC; or its end, which is the beginning of the next one.
fn time(text: &str, end_of_day: bool) -> Option<Timestamp> {
    if let Ok(moment) = text.parse() {
        return Some(moment);
    }
    let day: Date = text.parse().ok()?;
    let day = if end_of_day {
        day.checked_add(1.day()).ok()?
    } else {
        day
    };
    let begins = day.to_datetime(Time::midnight()).to_zoned(TimeZone::UTC);
    Some(begins.ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;
    use crate::backup::{BackupId, Label};

    fn read(parameters: &Value) -> Result<Choice, Failure> {
        let parameters: BTreeMap<String, Value> =
            serde_json::from_value(parameters.clone()).unwrap();
        Choice::read(&Parameters(parameters))
    }

    fn shelf() -> Vec<Listed> {
        let backup = |(day, label, tags, standing): (u32, &str, &str, Standing)| Listed {
            id: BackupId::parse(&format!("backup-202611{day:02}120405000678")).unwrap(),
            standing,
            last: None,
            size: 0,
            proven: None,
            protected: false,
            said: Label {
                label: label.to_owned(),
                tags: backup::tags(tags).unwrap(),
                ..Label::default()
            },
        };
        let shelf = [
            (19, "", "", Standing::Legacy),
            (20, "before the move", "prod weekly", Standing::Finished),
            (21, "", "prod", Standing::FinishedWithWarnings),
            (22, "after the move", "", Standing::Interrupted),
        ];
        shelf.map(backup).into()
    }

    /// The days that are chosen.
    fn chosen(parameters: Value) -> Vec<String> {
        let chosen = read(&parameters).unwrap().of(shelf());
        let day = |backup: &Listed| backup.id.as_str()[13..15].to_owned();
        chosen.iter().map(day).collect()
    }

    #[test]
    fn each_parameter_narrows_the_listing() {
        for (parameters, days) in [
            (json!({}), vec!["19", "20", "21", "22"]),
            (json!({"filter": "MOVE"}), vec!["20", "22"]),
            (json!({"filter": "20261121"}), vec!["21"]),
            (json!({"label": "before the move"}), vec!["20"]),
            (json!({"label": "move"}), vec![]),
            (json!({"tags": "prod"}), vec!["20", "21"]),
            (json!({"tags": "weekly, prod"}), vec!["20"]),
            (json!({"state": "finished"}), vec!["20", "21"]),
            (json!({"state": "warnings failed"}), vec!["21", "22"]),
            (json!({"state": "legacy"}), vec!["19"]),
            (json!({"since": "2026-11-21"}), vec!["21", "22"]),
            (json!({"until": "2026-11-20"}), vec!["19", "20"]),
            (
                json!({"since": "2026-11-20T12:04:06Z", "until": "2026-11-21"}),
                vec!["21"],
            ),
            (json!({"limit": 2}), vec!["21", "22"]),
            (json!({"limit": 1, "tags": "prod"}), vec!["21"]),
        ] {
            assert_eq!(chosen(parameters.clone()), days, "{parameters}");
        }
    }

    #[test]
    fn what_cannot_be_asked_for_is_refused_with_its_value() {
        for (parameters, value) in [
            (json!({"state": "finished, lost"}), "lost"),
            (json!({"since": "yesterday"}), "yesterday"),
            (json!({"until": "2026-02-30"}), "2026-02-30"),
            (json!({"limit": -1}), "-1"),
            (json!({"order": "random"}), "random"),
            (json!({"format": "xml"}), "xml"),
            (json!({"tags": "a/b"}), "a/b"),
        ] {
            let refused = read(&parameters).unwrap_err();
            assert_eq!(refused.code, "parameter-invalid");
            assert!(refused.to_string().contains(value), "{refused}");
        }
    }
}
