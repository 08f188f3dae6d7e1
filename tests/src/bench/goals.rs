//! The goals, row by row: what was wanted, what was measured, and whether it was met.

use super::measured::{Rounds, What};
use super::outcome::Outcome;

const MIB: f64 = 1024.0;

/// The server whose runs the goals are held against: one that others wrote.
pub(super) const STORE: &str = "versitygw";

/// One goal and what has come of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    /// What it is about.
    pub(super) what: &'static str,
    /// The goal, as one says it.
    pub(super) goal: &'static str,
    /// The goal beyond it.
    pub(super) stretch: &'static str,
    /// What was measured, or why it was not.
    pub(super) measured: String,
    /// What came of it.
    pub(super) verdict: Verdict,
}

/// What came of a goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// More than was wanted.
    Stretched,
    /// As was wanted.
    Met,
    /// Less than was wanted.
    Missed,
    /// Nobody looked.
    Unknown,
}

impl Verdict {
    /// As it stands in the table.
    pub(super) fn told(self) -> &'static str {
        match self {
            Self::Stretched => "met, and the stretch",
            Self::Met => "met",
            Self::Missed => "**not met**",
            Self::Unknown => "not measured",
        }
    }
}

/// A bound: at least so much, or at most.
#[derive(Clone, Copy)]
enum Bound {
    Least(f64, f64),
    Most(f64, f64),
}

impl Bound {
    fn verdict(self, value: f64) -> Verdict {
        let (met, stretched) = match self {
            Self::Least(goal, stretch) => (value >= goal, value >= stretch),
            Self::Most(goal, stretch) => (value <= goal, value <= stretch),
        };
        match (met, stretched) {
            (true, true) => Verdict::Stretched,
            (true, false) => Verdict::Met,
            (false, _) => Verdict::Missed,
        }
    }
}

/// All goals.
pub(super) fn rows(outcome: &Outcome) -> Vec<Row> {
    let media = |what| outcome.rounds("media", STORE, what);
    let walls = |slow, fast| times(media(slow)?, media(fast)?, Rounds::wall);
    vec![
        row(
            "create against the peer, incompressible media, both signing",
            ("8 x", "10 x"),
            Bound::Least(8.0, 10.0),
            walls(What::PeerCreate, What::Create),
        ),
        row(
            "create against the peer with `-z 0`",
            ("1.6 x", "2 x"),
            Bound::Least(1.6, 2.0),
            walls(What::PlainCreate, What::Create),
        ),
        row(
            "create, CPU seconds of the peer against ours (all processes but the server)",
            ("6.5 x", "8 x"),
            Bound::Least(6.5, 8.0),
            media(What::PeerCreate)
                .zip(media(What::Create))
                .and_then(|(peer, ours)| times(peer, ours, Rounds::cpu)),
        ),
        row(
            "restore of the peer's own (zip) object",
            ("1.8 x", "2.5 x"),
            Bound::Least(1.8, 2.5),
            walls(What::PeerRestore, What::LegacyRestore),
        ),
        row(
            "restore of ours against the peer restoring an uncompressed one",
            ("2 x", "2.5 x"),
            Bound::Least(2.0, 2.5),
            walls(What::PlainRestore, What::Restore),
        ),
        row(
            "verify full against gpg alone decrypting to /dev/null",
            ("1 x", "1.5 x"),
            Bound::Least(1.0, 1.5),
            walls(What::GpgDecrypt, What::Verify),
        ),
        memory(
            outcome,
            What::Create,
            "peak RSS of dispatch, create (16 MiB x 2 up to 1 GiB), flat",
            ("80 MiB", "64 MiB"),
            Bound::Most(80.0, 64.0),
        ),
        memory(
            outcome,
            What::Restore,
            "peak RSS of dispatch, restore, flat",
            ("32 MiB", "24 MiB"),
            Bound::Most(32.0, 24.0),
        ),
        row(
            "seal on one core, against bare SHA-1 then AES-256-CFB back to back",
            ("0.85", "0.95"),
            Bound::Least(0.85, 0.95),
            outcome
                .kernels
                .as_ref()
                .map(|rates| {
                    let told = format!("{:.0} of {:.0} MB/s", rates.seal, rates.both);
                    (rates.seal / rates.both, told)
                })
                .map(|(share, told)| (share, format!("{share:.2} ({told})"))),
        ),
        row(
            "open on one core, against bare SHA-1",
            ("0.7", "0.85"),
            Bound::Least(0.7, 0.85),
            outcome.kernels.as_ref().map(|rates| {
                let share = rates.open / rates.sha1;
                (
                    share,
                    format!("{share:.2} ({:.0} of {:.0} MB/s)", rates.open, rates.sha1),
                )
            }),
        ),
        small(outcome),
        row(
            "hook with nothing to do, median",
            ("15 ms", "8 ms"),
            Bound::Most(15.0, 8.0),
            outcome.hook().map(|middle| {
                let tools = outcome.hook_tool * outcome.hook_tools.len() as f64;
                (
                    middle,
                    format!(
                        "{middle:.1} ms, of which {tools:.1} in {} hook tools",
                        outcome.hook_tools.len()
                    ),
                )
            }),
        ),
        row(
            "list of 1,200 backups",
            ("2 s", "0.5 s"),
            Bound::Most(2.0, 0.5),
            outcome
                .list()
                .map(|middle| (middle, format!("{middle:.2} s"))),
        ),
        late(
            outcome,
            What::Create,
            "create with 60 ms added to every request, against 0 ms",
        ),
        late(
            outcome,
            What::Restore,
            "restore with 60 ms added to every request, against 0 ms",
        ),
    ]
}

fn row(
    what: &'static str,
    (goal, stretch): (&'static str, &'static str),
    bound: Bound,
    measured: Option<(f64, String)>,
) -> Row {
    let (verdict, measured) = match measured {
        Some((value, told)) => (bound.verdict(value), told),
        None => (Verdict::Unknown, "not measured in this run".to_owned()),
    };
    Row {
        what,
        goal,
        stretch,
        measured,
        verdict,
    }
}

/// How many times as much one takes as the other.
fn times<'a>(
    slow: Rounds<'a>,
    fast: Rounds<'a>,
    of: fn(&Rounds<'a>) -> f64,
) -> Option<(f64, String)> {
    let (slow, fast) = (of(&slow), of(&fast));
    let times = slow / fast;
    times.is_finite().then(|| {
        (
            times,
            format!("{times:.2} x ({slow:.1} s against {fast:.1} s)"),
        )
    })
}

/// The highest peak of all sizes, and the lowest beside it, from 64 MiB on: what is smaller fills no queue.
fn memory(
    outcome: &Outcome,
    what: What,
    told: &'static str,
    goals: (&'static str, &'static str),
    bound: Bound,
) -> Row {
    let sizes = outcome.by_size(what);
    let peaks = sizes
        .iter()
        .filter(|rounds| rounds.first().bytes >= 64 << 20);
    let peaks: Vec<f64> = peaks
        .map(|rounds| rounds.rss_of("dispatch") as f64 / MIB)
        .collect();
    let most = peaks.iter().copied().fold(0.0, f64::max);
    let least = peaks.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = sizes
        .iter()
        .map(|rounds| rounds.first().bytes)
        .max()
        .unwrap_or_default();
    let files = sizes
        .iter()
        .map(|rounds| rounds.first().files)
        .max()
        .unwrap_or_default();
    let measured = (!peaks.is_empty()).then(|| {
        let text = format!(
            "{least:.0} to {most:.0} MiB, up to {:.1} GB and {files} files",
            largest as f64 / 1e9
        );
        (most, text)
    });
    row(told, goals, bound, measured)
}

fn small(outcome: &Outcome) -> Row {
    let wall = |what| Some(outcome.rounds("small", STORE, what)?.wall());
    let measured = wall(What::Create).zip(wall(What::Tar)).map(|(ours, tar)| {
        let times = ours / tar;
        let null = wall(What::TarNull).unwrap_or_default();
        let told = format!(
            "{times:.2} x ({ours:.1} s against {tar:.1} s into a pipe; into /dev/null, which tar notices and reads no file, {null:.1} s)"
        );
        (times, told)
    });
    row(
        "200,000 small files, create, against `tar -cf - > /dev/null`",
        ("within 1.5 x", "1.2 x"),
        Bound::Most(1.5, 1.2),
        measured,
    )
}

fn late(outcome: &Outcome, what: What, told: &'static str) -> Row {
    let wall = |store| Some(outcome.rounds("latency", store, what)?.wall());
    let measured = wall("versitygw, 60 ms")
        .zip(wall("versitygw, 0 ms"))
        .map(|(late, straight)| {
            let more = (late / straight - 1.0) * 100.0;
            (
                more,
                format!("{more:+.0} % ({late:.1} s against {straight:.1} s)"),
            )
        });
    // There is no goal beyond it.
    row(
        told,
        ("within 10 %", "-"),
        Bound::Most(10.0, f64::NEG_INFINITY),
        measured,
    )
}

#[cfg(test)]
mod tests {
    use super::super::measured::Measured;
    use super::*;

    #[test]
    fn a_bound_is_met_stretched_or_missed() {
        let least = Bound::Least(8.0, 10.0);
        let told = [7.99, 8.0, 10.0].map(|value| least.verdict(value));
        assert_eq!(told, [Verdict::Missed, Verdict::Met, Verdict::Stretched]);
        let most = Bound::Most(10.0, f64::NEG_INFINITY);
        let told = [10.1, 10.0, -5.0].map(|value| most.verdict(value));
        assert_eq!(told, [Verdict::Missed, Verdict::Met, Verdict::Met]);
    }

    #[test]
    fn what_nobody_measured_is_told_and_what_was_is_judged() {
        let nothing = rows(&Outcome::default());
        assert!(nothing.iter().all(|row| row.verdict == Verdict::Unknown));
        let run = |what, wall: f64| Measured {
            set: "media".to_owned(),
            store: STORE.to_owned(),
            what,
            round: 1,
            bytes: 1 << 31,
            files: 4000,
            wall,
            cpu: [("dispatch", wall), ("server", 99.0)]
                .map(|(name, spent)| (name.to_owned(), spent))
                .into(),
            rss: [("dispatch".to_owned(), 70 * 1024)].into(),
            pss: 0,
            wire: 0,
            down: None,
            remark: String::new(),
        };
        let walls = [
            (What::Create, 5.0),
            (What::Create, 7.0),
            (What::PeerCreate, 54.0),
        ];
        let outcome = Outcome {
            measured: walls.map(|(what, wall)| run(what, wall)).to_vec(),
            ..Outcome::default()
        };
        let told = rows(&outcome);
        let told: Vec<&str> = told.iter().map(|row| row.measured.as_str()).collect();
        assert_eq!(told[0], "9.00 x (54.0 s against 6.0 s)");
        assert_eq!(told[1], "not measured in this run");
        assert_eq!(told[2], "9.00 x (54.0 s against 6.0 s)");
        assert_eq!(told[6], "70 to 70 MiB, up to 2.1 GB and 4000 files");
        let verdicts: Vec<Verdict> = rows(&outcome).iter().map(|row| row.verdict).collect();
        assert_eq!(
            verdicts[..3],
            [Verdict::Met, Verdict::Unknown, Verdict::Stretched]
        );
        assert_eq!(verdicts[6], Verdict::Met);
    }
}
