//! What was measured: each run by itself, and the runs of several rounds together.

use std::collections::BTreeMap;

use serde::Serialize;

use super::group::Seen;

/// Who does it, and what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum What {
    /// create-backup.
    Create,
    /// `tar | gpg --symmetric | aws s3 cp`.
    PeerCreate,
    /// The same with `gpg -z 0`.
    PlainCreate,
    /// `restic backup`.
    ResticCreate,
    /// verify-backup.
    Verify,
    /// `gpg --decrypt` of the objects of our backup, nothing done with what comes out.
    GpgDecrypt,
    /// restore-backup.
    Restore,
    /// restore-backup of what the peer has saved.
    LegacyRestore,
    /// `aws s3 cp | gpg --decrypt | tar -x`.
    PeerRestore,
    /// The same of an object made with `gpg -z 0`.
    PlainRestore,
    /// `restic restore`.
    ResticRestore,
    /// `tar -c` into a pipe that nobody does anything with.
    Tar,
    /// `tar -c` into /dev/null, which GNU tar notices, and reads no file.
    TarNull,
}

impl What {
    /// As it stands in the tables.
    pub(super) fn told(self) -> &'static str {
        match self {
            Self::Create => "create-backup",
            Self::PeerCreate => "`tar \\| gpg \\| aws`",
            Self::PlainCreate => "`tar \\| gpg -z 0 \\| aws`",
            Self::ResticCreate => "`restic backup`",
            Self::Verify => "verify-backup, full",
            Self::GpgDecrypt => "`gpg -d > /dev/null` of our objects",
            Self::Restore => "restore-backup",
            Self::LegacyRestore => "restore-backup of the peer's object",
            Self::PeerRestore => "`aws \\| gpg -d \\| tar -x`",
            Self::PlainRestore => "`aws \\| gpg -d \\| tar -x` of a `-z 0`",
            Self::ResticRestore => "`restic restore`",
            Self::Tar => "`tar -cf - \\| cat > /dev/null`",
            Self::TarNull => "`tar -cf - > /dev/null`",
        }
    }
}

/// One run that was measured and found right.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Measured {
    /// The data set.
    pub(super) set: String,
    /// The server.
    pub(super) store: String,
    /// Who and what.
    pub(super) what: What,
    /// From 1.
    pub(super) round: usize,
    /// Bytes of the data set.
    pub(super) bytes: u64,
    /// Files of the data set.
    pub(super) files: u64,
    /// Seconds from beginning to end.
    pub(super) wall: f64,
    /// Seconds on the processors, by program.
    pub(super) cpu: BTreeMap<String, f64>,
    /// Peak resident memory in KiB, by program.
    pub(super) rss: BTreeMap<String, u64>,
    /// Peak of the memory of all programs at once, shared pages counted once, in KiB.
    pub(super) pss: u64,
    /// Bytes over the loopback device meanwhile, both ways, headers included.
    pub(super) wire: u64,
    /// Seconds without an answer of Synapse, as seen from outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) down: Option<f64>,
    /// What else is told of it, such as the phases of an action.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) remark: String,
}

impl Measured {
    /// Seconds of all programs but the server.
    pub(super) fn cpu_in_all(&self) -> f64 {
        let clients = self.cpu.iter().filter(|(name, _)| *name != SERVER);
        clients.map(|(_, seconds)| seconds).sum()
    }

    /// Takes over what a group was seen to cost, where nothing better is known.
    pub(super) fn add(&mut self, seen: &Seen) {
        for (name, seconds) in &seen.cpu {
            self.cpu.entry(name.clone()).or_insert(*seconds);
        }
        for (name, most) in &seen.rss {
            let known = self.rss.entry(name.clone()).or_default();
            *known = (*known).max(*most);
        }
        self.pss = seen.pss_together;
    }
}

/// The name of the S3 server among the programs.
pub(super) const SERVER: &str = "server";

/// The same done in several rounds.
#[derive(Debug, Clone)]
pub(super) struct Rounds<'a>(Vec<&'a Measured>);

impl<'a> Rounds<'a> {
    /// All rounds of something in a list.
    pub(super) fn of(all: &'a [Measured], set: &str, store: &str, what: What) -> Option<Self> {
        let same = all.iter();
        let same = same.filter(|one| one.set == set && one.store == store && one.what == what);
        let rounds: Vec<_> = same.collect();
        (!rounds.is_empty()).then_some(Self(rounds))
    }

    /// The first of them.
    pub(super) fn first(&self) -> &Measured {
        self.0[0]
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The last remark.
    pub(super) fn remark(&self) -> &str {
        self.0.last().map_or("", |last| last.remark.as_str())
    }

    /// Median of the wall.
    pub(super) fn wall(&self) -> f64 {
        self.median(|one| one.wall)
    }

    /// Shortest and longest wall.
    pub(super) fn spread(&self) -> (f64, f64) {
        let walls = self.0.iter().map(|one| one.wall);
        let least = walls.clone().fold(f64::INFINITY, f64::min);
        (least, walls.fold(0.0, f64::max))
    }

    /// Median of the seconds on the processors, of all programs but the server.
    pub(super) fn cpu(&self) -> f64 {
        self.median(Measured::cpu_in_all)
    }

    /// Medians of the seconds on the processors, by program.
    pub(super) fn cpu_of_each(&self) -> BTreeMap<&str, f64> {
        let names = self.0.iter().flat_map(|one| one.cpu.keys());
        let told = |name: &'a String| {
            let middle = self.median(|one| one.cpu.get(name).copied().unwrap_or_default());
            (name.as_str(), middle)
        };
        names.map(told).collect()
    }

    /// The highest peak memory in KiB, by program.
    pub(super) fn rss_of_each(&self) -> BTreeMap<&str, u64> {
        let mut most = BTreeMap::new();
        for (name, peak) in self.0.iter().flat_map(|one| &one.rss) {
            let known = most.entry(name.as_str()).or_default();
            *known = (*peak).max(*known);
        }
        most
    }

    /// The highest peak memory of one program in KiB.
    pub(super) fn rss_of(&self, program: &str) -> u64 {
        self.rss_of_each().get(program).copied().unwrap_or_default()
    }

    /// The highest sum of the memory of all programs in KiB.
    pub(super) fn pss(&self) -> u64 {
        self.0.iter().map(|one| one.pss).max().unwrap_or_default()
    }

    /// Median of the bytes on the wire.
    pub(super) fn wire(&self) -> f64 {
        self.median(|one| one.wire as f64)
    }

    /// Median of the downtime.
    pub(super) fn down(&self) -> Option<f64> {
        let known = self.0.iter().filter_map(|one| one.down);
        let known: Vec<f64> = known.collect();
        (!known.is_empty()).then(|| median(known))
    }

    fn median(&self, value: impl Fn(&Measured) -> f64) -> f64 {
        median(self.0.iter().map(|one| value(one)).collect())
    }
}

/// The middle of some numbers in any order; of an even count, the mean of the two in the middle.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.len(), values.len().is_multiple_of(2)) {
        (0, _) => 0.0,
        (_, true) => (values[middle - 1] + values[middle]) / 2.0,
        (_, false) => values[middle],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0]), 2.5);
        assert_eq!(median(Vec::new()), 0.0);
    }
}
