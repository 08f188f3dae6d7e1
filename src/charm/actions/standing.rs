//! How a backup stands, in the words of a listing.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::backup::{AtWork, Label, Level, Proven, Standing};

/// The state of a backup, to somebody in this model.
pub(super) fn state(standing: &Standing, model: &str, now: Timestamp) -> String {
    match standing {
        Standing::Finished => "finished".to_owned(),
        Standing::FinishedWithWarnings => "finished with warnings".to_owned(),
        Standing::InProgress(work) => in_progress(work, model, now),
        Standing::Failed { reason, .. } => format!("failed: {reason}"),
        Standing::Interrupted => "failed: interrupted".to_owned(),
        Standing::Damaged { what } => format!("damaged: {what}"),
        Standing::Legacy => "legacy".to_owned(),
    }
}

fn in_progress(work: &AtWork, model: &str, now: Timestamp) -> String {
    let holder = match work.model == model {
        true => work.unit.clone(),
        false => format!("{} of the model {}", work.unit, work.model_shown),
    };
    let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
    let since = match day(work.since) == day(now) {
        true => work.since.strftime("%H:%M:%S UTC"),
        false => work.since.strftime("%Y-%m-%d %H:%M:%S UTC"),
    };
    match work.percent {
        Some(percent) => format!("in progress ({holder} since {since}, {percent} %)"),
        None => format!("in progress ({holder} since {since})"),
    }
}

/// What verifications have found out.
pub(super) fn proven(proven: Proven) -> String {
    match proven {
        Proven::Good(level, at) => format!("{} ({})", moment(at), word(level)),
        Proven::Broken(_, at) => format!("broken {}", moment(at)),
    }
}

/// A level as the parameter of `verify-backup` names it.
pub(super) fn word(level: Level) -> &'static str {
    match level {
        Level::Quick => "quick",
        Level::Full => "full",
        Level::Rehearse => "rehearse",
    }
}

/// What an operator said of a backup, under the names of results; nothing of what was not said.
pub(super) fn said(said: &Label) -> Vec<(&'static str, String)> {
    let tags: Vec<&str> = said.tags.iter().map(String::as_str).collect();
    let all = [
        ("label", said.label.clone()),
        ("tags", tags.join(" ")),
        ("description", said.description.clone()),
        ("expires", said.expires.map(moment).unwrap_or_default()),
    ];
    all.into_iter()
        .filter(|(_, text)| !text.is_empty())
        .collect()
}

/// A moment as listings have shown it since the Python charm.
pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S+00:00").to_string()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn state_is_told_in_a_few_words() {
        let now: Timestamp = "2026-11-21T13:00:00Z".parse().unwrap();
        let work = AtWork {
            unit: "synapse/0".to_owned(),
            model: "here".to_owned(),
            model_shown: "here".to_owned(),
            task: "create-backup".to_owned(),
            backup: None,
            since: "2026-11-21T12:04:05Z".parse().unwrap(),
            phase: Some("uploading".to_owned()),
            percent: Some(43),
        };
        let yesterday = AtWork {
            since: "2026-11-20T12:04:05Z".parse().unwrap(),
            percent: None,
            ..work.clone()
        };
        let standings = [
            Standing::Finished,
            Standing::FinishedWithWarnings,
            Standing::InProgress(work),
            Standing::InProgress(yesterday),
            Standing::Failed {
                reason: "the store refused".to_owned(),
                at: None,
            },
            Standing::Interrupted,
            Standing::Damaged {
                what: "volume-0002.tar.gpg is missing".to_owned(),
            },
            Standing::Legacy,
        ];
        let told = |model| {
            let texts = standings.iter().map(|standing| state(standing, model, now));
            texts.collect::<Vec<_>>().join("\n")
        };
        insta::assert_snapshot!(told("here"), @r"
        finished
        finished with warnings
        in progress (synapse/0 since 12:04:05 UTC, 43 %)
        in progress (synapse/0 since 2026-11-20 12:04:05 UTC)
        failed: the store refused
        failed: interrupted
        damaged: volume-0002.tar.gpg is missing
        legacy
        ");
        assert!(told("there").contains("(synapse/0 of the model here since 12:04:05 UTC, 43 %)"));
    }

    #[test]
    fn proof_is_told_with_its_time_and_level() {
        let at: Timestamp = "2026-11-22T03:00:00Z".parse().unwrap();
        assert_eq!(
            proven(Proven::Good(Level::Full, at)),
            "2026-11-22 03:00:00+00:00 (full)"
        );
        assert_eq!(
            proven(Proven::Broken(Level::Quick, at)),
            "broken 2026-11-22 03:00:00+00:00"
        );
    }
}
