//! What becomes of each backup.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::{Interval, Policy, Unit};
use crate::backup::{BackupId, Level, Proven, Standing};

/// How far the clock may be behind the newest backup: two machines never agree quite.
const CLOCK: SignedDuration = SignedDuration::from_mins(5);

/// A backup, and what retention has to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its name.
    pub id: BackupId,
    /// How it stands.
    pub standing: Standing,
    /// The server that it is a backup of, as it says itself.
    pub server_name: Option<String>,
    /// Bytes of its objects.
    pub size: u64,
    /// What verifications have found out.
    pub proven: Option<Proven>,
    /// Whether somebody protects it.
    pub protected: bool,
    /// From when on it goes, as was said when it was made.
    pub expires: Option<Timestamp>,
}

/// What goes by age, whatever a policy keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// Older than the newest by more than this goes.
    pub older_than: Interval,
    /// Who says so, as in `the S3 integrator's delete-older-than-days`.
    pub said_by: &'static str,
}

/// What decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// What is kept.
    pub policy: Policy,
    /// What is too old.
    pub bounds: Vec<Bound>,
    /// The server whose backups these are.
    pub server_name: String,
    /// By how many percent the newest backup holds less than the one before, where that is suspicious.
    pub shrank: Option<u64>,
}

/// Why a backup stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keep {
    /// It is the newest that was finished.
    Newest,
    /// It is the newest that a verification found good.
    NewestProven,
    /// It is the newest of which every byte was read and found good.
    NewestRead,
    /// Somebody protects it.
    Protected,
    /// It is not finished, or damaged: nothing that time decides about.
    Unfinished,
    /// The Python charm made it, and whose it is stands nowhere.
    Legacy,
    /// It is a backup of another server.
    Foreign(String),
    /// A verification found it broken: what can still be saved of it is for people to decide.
    Broken,
    /// It is one of the last so many.
    Last(u32),
    /// It is the first of its hour, day, week, month or year.
    First(Unit),
    /// It is not much older than the newest.
    Within(Interval),
    /// It is not older than the only bound that there is, and no policy says more.
    Young,
    /// Nothing goes at all.
    Halted,
}

/// What becomes of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It stays, for these reasons.
    Kept(Vec<Keep>),
    /// It goes: no rule keeps it.
    Surplus,
    /// It goes: it is too old.
    Old(Bound),
    /// It goes: it was made to last until this moment.
    Expired(Timestamp),
}

/// Why nothing goes at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Halt {
    /// No policy, no bound, and no backup that was made to go one day.
    NoPolicy,
    /// No finished backup of this server.
    NoBackup,
    /// The newest backup is one of another server.
    Foreign {
        /// The backup.
        id: BackupId,
        /// That server.
        server_name: String,
    },
    /// The newest backup holds much less than the one before.
    Shrank {
        /// The backup.
        id: BackupId,
        /// By how many percent.
        percent: u64,
    },
    /// A verification found the newest backup broken, or something of it is missing.
    Broken {
        /// The backup.
        id: BackupId,
    },
    /// The newest backup is of a time to come.
    Clock {
        /// The backup.
        id: BackupId,
    },
}

/// A backup and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The backup.
    pub backup: Candidate,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of all backups, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Each backup.
    pub backups: Vec<Planned>,
    /// Why none of them goes, if there is such a reason.
    pub halted: Option<Halt>,
}

impl Plan {
    /// Plans; the candidates are oldest first, as their names sort.
    #[must_use]
    pub fn of(rules: &Rules, mut candidates: Vec<Candidate>, now: Timestamp) -> Self {
        candidates.sort_by(|one, other| one.id.cmp(&other.id));
        let halted = halt(rules, &candidates, now);
        let kept = Kept::of(rules, &candidates);
        let fate = |backup: &Candidate| match &halted {
            Some(_) => Fate::Kept(vec![Keep::Halted]),
            None => kept.fate(rules, backup),
        };
        let backups = candidates.iter().map(|backup| Planned {
            fate: fate(backup),
            backup: backup.clone(),
        });
        let backups = backups.collect();
        Self { backups, halted }
    }

    /// Those that go, oldest first.
    pub fn going(&self) -> impl Iterator<Item = &Candidate> {
        let going = |planned: &&Planned| !matches!(planned.fate, Fate::Kept(_));
        self.backups
            .iter()
            .filter(going)
            .map(|planned| &planned.backup)
    }
}

impl Candidate {
    /// When it began, if it is finished: what time decides about.
    fn dated(&self) -> Option<Timestamp> {
        match &self.standing {
            Standing::Finished | Standing::FinishedWithWarnings => self.id.time(),
            Standing::InProgress(_)
            | Standing::Failed { .. }
            | Standing::Interrupted
            | Standing::Damaged { .. }
            | Standing::Legacy => None,
        }
    }

    fn is_damaged(&self) -> bool {
        matches!(self.standing, Standing::Damaged { .. })
    }

    fn is_broken(&self) -> bool {
        matches!(self.proven, Some(Proven::Broken(..)))
    }

    fn is_good(&self, level: Level) -> bool {
        matches!(self.proven, Some(Proven::Good(reached, _)) if reached >= level)
    }

    /// Another server that it is a backup of.
    fn foreign(&self, server_name: &str) -> Option<&str> {
        let named = self.server_name.as_deref()?;
        (named != server_name).then_some(named)
    }
}

fn halt(rules: &Rules, candidates: &[Candidate], now: Timestamp) -> Option<Halt> {
    let lasting = candidates.iter().all(|backup| backup.expires.is_none());
    if rules.policy.is_empty() && rules.bounds.is_empty() && lasting {
        return Some(Halt::NoPolicy);
    }
    let made = candidates
        .iter()
        .rfind(|backup| backup.dated().is_some() || backup.is_damaged());
    let Some(newest) = made else {
        return Some(Halt::NoBackup);
    };
    let id = newest.id.clone();
    if let Some(server_name) = newest.foreign(&rules.server_name) {
        let server_name = server_name.to_owned();
        return Some(Halt::Foreign { id, server_name });
    }
    if newest.is_damaged() || newest.is_broken() {
        return Some(Halt::Broken { id });
    }
    if let Some(percent) = rules.shrank {
        return Some(Halt::Shrank { id, percent });
    }
    let ahead = newest.dated()?.duration_since(now);
    (ahead > CLOCK).then_some(Halt::Clock { id })
}

/// What the rules keep, of those that are ready to go.
struct Kept<'a> {
    /// Finished backups of this server, with the moment they began, oldest first.
    own: Vec<(&'a Candidate, Timestamp)>,
    newest: Option<(&'a BackupId, Timestamp)>,
    proven: Option<&'a BackupId>,
    read: Option<&'a BackupId>,
    last: BTreeSet<&'a BackupId>,
    first: BTreeSet<(Unit, &'a BackupId)>,
}

impl<'a> Kept<'a> {
    fn of(rules: &Rules, candidates: &'a [Candidate]) -> Self {
        let own = candidates
            .iter()
            .filter(|backup| backup.foreign(&rules.server_name).is_none())
            .filter_map(|backup| Some((backup, backup.dated()?)));
        let own: Vec<_> = own.collect();
        let newest_good = |level| {
            let good = own.iter().rev().find(|(backup, _)| backup.is_good(level));
            good.map(|(backup, _)| &backup.id)
        };
        // A broken one takes the place of no other.
        let whole = || own.iter().filter(|(backup, _)| !backup.is_broken());
        let last = usize::try_from(rules.policy.last).unwrap_or(usize::MAX);
        let last = whole().rev().take(last).map(|(backup, _)| &backup.id);
        let mut first = BTreeSet::new();
        let newest = own.last().map(|(_, started)| *started);
        let weekday = rules.policy.first_weekday;
        for (unit, number) in rules.policy.periods() {
            let Some(newest) = newest.filter(|_| number > 0) else {
                continue;
            };
            let begins = unit.of(newest, weekday) - i64::from(number) + 1;
            let mut taken = BTreeSet::new();
            for (backup, started) in whole() {
                let period = unit.of(*started, weekday);
                if period >= begins && taken.insert(period) {
                    first.insert((unit, &backup.id));
                }
            }
        }
        Self {
            newest: own.last().map(|(backup, at)| (&backup.id, *at)),
            proven: newest_good(Level::Quick),
            read: newest_good(Level::Full),
            last: last.collect(),
            first,
            own,
        }
    }

    fn fate(&self, rules: &Rules, backup: &Candidate) -> Fate {
        let mut reasons = self.hard(rules, backup);
        let found = self.own.binary_search_by(|(own, _)| own.id.cmp(&backup.id));
        let started = found.ok().map(|at| self.own[at].1);
        let (Some(started), Some((_, newest))) = (started, self.newest) else {
            return Fate::Kept(reasons);
        };
        let age = newest.duration_since(started);
        let within = |interval: Interval| {
            SignedDuration::try_from(interval.duration()).is_ok_and(|longest| age <= longest)
        };
        let old = rules
            .bounds
            .iter()
            .find(|bound| !within(bound.older_than))
            .filter(|_| reasons.is_empty());
        if let Some(old) = old {
            return Fate::Old(*old);
        }
        let expired = backup.expires.filter(|expires| *expires <= newest);
        if let Some(expired) = expired.filter(|_| reasons.is_empty()) {
            return Fate::Expired(expired);
        }
        if backup.is_broken() {
            reasons.push(Keep::Broken);
        }
        if self.last.contains(&backup.id) {
            reasons.push(Keep::Last(rules.policy.last));
        }
        reasons.extend(
            rules
                .policy
                .within
                .filter(|long| within(*long))
                .map(Keep::Within),
        );
        let periods = rules.policy.periods();
        let firsts = periods.iter().map(|(unit, _)| *unit);
        let firsts = firsts.filter(|unit| self.first.contains(&(*unit, &backup.id)));
        reasons.extend(firsts.map(Keep::First));
        if rules.policy.is_empty() && reasons.is_empty() {
            reasons.push(Keep::Young);
        }
        match reasons.is_empty() {
            true => Fate::Surplus,
            false => Fate::Kept(reasons),
        }
    }

    /// The reasons that no rule outweighs.
    fn hard(&self, rules: &Rules, backup: &Candidate) -> Vec<Keep> {
        let mut reasons = Vec::new();
        match &backup.standing {
            Standing::Legacy => reasons.push(Keep::Legacy),
            Standing::Finished | Standing::FinishedWithWarnings if backup.id.time().is_some() => (),
            Standing::Finished
            | Standing::FinishedWithWarnings
            | Standing::InProgress(_)
            | Standing::Failed { .. }
            | Standing::Interrupted
            | Standing::Damaged { .. } => reasons.push(Keep::Unfinished),
        }
        if let Some(server_name) = backup.foreign(&rules.server_name) {
            reasons.push(Keep::Foreign(server_name.to_owned()));
        }
        if backup.protected {
            reasons.push(Keep::Protected);
        }
        let id = Some(&backup.id);
        if self.newest.map(|(newest, _)| newest) == id {
            reasons.push(Keep::Newest);
        }
        if self.read == id {
            reasons.push(Keep::NewestRead);
        } else if self.proven == id {
            reasons.push(Keep::NewestProven);
        }
        reasons
    }
}
