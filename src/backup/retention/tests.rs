#![expect(clippy::unwrap_used, reason = "tests")]

mod properties;

use std::collections::BTreeSet;

use jiff::{Timestamp, ToSpan as _};

use super::*;
use crate::backup::{BackupId, Level, Proven, Standing};

const SERVER: &str = "matrix.example";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn backup(at: Timestamp) -> Candidate {
    Candidate {
        id: BackupId::at(at),
        standing: Standing::Finished,
        server_name: Some(SERVER.to_owned()),
        size: 1_000,
        proven: None,
        protected: false,
        expires: None,
    }
}

fn rules(policy: &str) -> Rules {
    Rules {
        policy: Policy::parse(policy, Weekday::default()).unwrap(),
        bounds: Vec::new(),
        server_name: SERVER.to_owned(),
        shrank: None,
    }
}

fn older_than(text: &str) -> Rules {
    let older_than = Interval::parse(text).unwrap();
    Rules {
        bounds: vec![Bound {
            older_than,
            said_by: "older-than",
        }],
        ..rules("")
    }
}

fn plan(rules: &Rules, backups: &[Candidate]) -> Plan {
    let now = backups.iter().filter_map(|backup| backup.id.time()).max();
    let now = now.unwrap_or(Timestamp::UNIX_EPOCH);
    Plan::of(rules, backups.to_vec(), now + 1.hour())
}

fn going(plan: &Plan) -> BTreeSet<BackupId> {
    plan.going().map(|backup| backup.id.clone()).collect()
}

fn told(plan: &Plan) -> String {
    let line = |planned: &Planned| {
        let sign = match planned.fate {
            Fate::Kept(_) => "keep",
            Fate::Surplus | Fate::Old(_) | Fate::Expired(_) => "  go",
        };
        let at = planned.backup.id.time().unwrap();
        format!("{sign} {}: {}", at.strftime("%a %F %H:%M"), planned.fate)
    };
    let lines: Vec<String> = plan.backups.iter().map(line).collect();
    lines.join("\n")
}

#[test]
fn first_of_each_stretch_stays_and_the_plan_says_why() {
    let newest = time("2026-11-22T15:00:00Z");
    let backups: Vec<Candidate> = (0..26)
        .map(|half| backup(newest - (half * 12).hours()))
        .collect();
    let plan = plan(
        &rules("last=2 daily=3 weekly=2 monthly=2 yearly=1 within=13h"),
        &backups,
    );
    insta::assert_snapshot!(told(&plan), @r"
    keep Tue 2026-11-10 03:00: monthly, yearly
      go Tue 2026-11-10 15:00: no rule keeps it
      go Wed 2026-11-11 03:00: no rule keeps it
      go Wed 2026-11-11 15:00: no rule keeps it
      go Thu 2026-11-12 03:00: no rule keeps it
      go Thu 2026-11-12 15:00: no rule keeps it
      go Fri 2026-11-13 03:00: no rule keeps it
      go Fri 2026-11-13 15:00: no rule keeps it
    keep Sat 2026-11-14 03:00: weekly
      go Sat 2026-11-14 15:00: no rule keeps it
      go Sun 2026-11-15 03:00: no rule keeps it
      go Sun 2026-11-15 15:00: no rule keeps it
      go Mon 2026-11-16 03:00: no rule keeps it
      go Mon 2026-11-16 15:00: no rule keeps it
      go Tue 2026-11-17 03:00: no rule keeps it
      go Tue 2026-11-17 15:00: no rule keeps it
      go Wed 2026-11-18 03:00: no rule keeps it
      go Wed 2026-11-18 15:00: no rule keeps it
      go Thu 2026-11-19 03:00: no rule keeps it
      go Thu 2026-11-19 15:00: no rule keeps it
    keep Fri 2026-11-20 03:00: daily
      go Fri 2026-11-20 15:00: no rule keeps it
    keep Sat 2026-11-21 03:00: daily, weekly
      go Sat 2026-11-21 15:00: no rule keeps it
    keep Sun 2026-11-22 03:00: last=2, within=13h, daily
    keep Sun 2026-11-22 15:00: the newest, last=2, within=13h
    ");
}

#[test]
fn two_years_of_a_backup_a_day_come_down_to_a_few() {
    let rules = rules("last=3 daily=7 weekly=4 monthly=6 yearly=1 within=2D");
    let begin = time("2025-01-01T02:30:00Z");
    let mut kept: Vec<Candidate> = Vec::new();
    for day in 0..730 {
        kept.push(backup(begin + (day * 24).hours()));
        let plan = plan(&rules, &kept);
        let gone = going(&plan);
        kept.retain(|backup| !gone.contains(&backup.id));
        assert!(kept.len() <= 3 + 7 + 4 + 6 + 1 + 3, "{}", told(&plan));
    }
    insta::assert_snapshot!(told(&plan(&rules, &kept)), @r"
    keep Thu 2026-01-01 02:30: yearly
    keep Wed 2026-07-01 02:30: monthly
    keep Sat 2026-08-01 02:30: monthly
    keep Tue 2026-09-01 02:30: monthly
    keep Thu 2026-10-01 02:30: monthly
    keep Sun 2026-11-01 02:30: monthly
    keep Tue 2026-12-01 02:30: monthly
    keep Sat 2026-12-05 02:30: weekly
    keep Sat 2026-12-12 02:30: weekly
    keep Sat 2026-12-19 02:30: weekly
    keep Fri 2026-12-25 02:30: daily
    keep Sat 2026-12-26 02:30: daily, weekly
    keep Sun 2026-12-27 02:30: daily
    keep Mon 2026-12-28 02:30: daily
    keep Tue 2026-12-29 02:30: last=3, within=2D, daily
    keep Wed 2026-12-30 02:30: last=3, within=2D, daily
    keep Thu 2026-12-31 02:30: the newest, last=3, within=2D, daily
    ");
}

#[test]
fn what_age_alone_decides_is_said_with_who_says_it() {
    let newest = time("2026-11-22T15:00:00Z");
    let mut backups: Vec<Candidate> = (0..6)
        .map(|day| backup(newest - (day * 24).hours()))
        .collect();
    backups[4].protected = true;
    backups[5].proven = Some(Proven::Good(Level::Full, newest));
    insta::assert_snapshot!(told(&plan(&older_than("2D"), &backups)), @r"
    keep Tue 2026-11-17 15:00: the newest that was verified in full
    keep Wed 2026-11-18 15:00: protected
      go Thu 2026-11-19 15:00: older than 2D (older-than)
    keep Fri 2026-11-20 15:00: no rule deletes it
    keep Sat 2026-11-21 15:00: no rule deletes it
    keep Sun 2026-11-22 15:00: the newest
    ");
}

#[test]
fn backup_that_was_made_for_a_time_goes_when_it_is_over() {
    let newest = time("2026-11-22T15:00:00Z");
    let mut backups: Vec<Candidate> = (0..4)
        .map(|day| backup(newest - (day * 24).hours()))
        .collect();
    for (days, backup) in [1, 5, 2, 2].into_iter().zip(&mut backups) {
        backup.expires = Some(backup.id.time().unwrap() + (days * 24).hours());
    }
    backups[2].protected = true;
    insta::assert_snapshot!(told(&plan(&rules(""), &backups)), @r"
      go Thu 2026-11-19 15:00: was to be kept until 2026-11-21 15:00:00 UTC
    keep Fri 2026-11-20 15:00: protected
    keep Sat 2026-11-21 15:00: no rule deletes it
    keep Sun 2026-11-22 15:00: the newest
    ");
    assert_eq!(
        going(&plan(&rules("last=9"), &backups)).len(),
        1,
        "whatever a policy keeps"
    );
}

#[test]
fn nothing_goes_while_the_newest_is_doubtful() {
    let newest = time("2026-11-22T15:00:00Z");
    let old: Vec<Candidate> = (1..9)
        .map(|day| backup(newest - (day * 24).hours()))
        .collect();
    let with = |newest: Candidate| [old.clone(), vec![newest]].concat();
    let mut foreign = backup(newest);
    foreign.server_name = Some("other.example".to_owned());
    let mut broken = backup(newest);
    broken.proven = Some(Proven::Broken(Level::Full, newest));
    let mut damaged = backup(newest);
    damaged.standing = Standing::Damaged {
        what: "a volume is missing".to_owned(),
    };
    let mut halted = Vec::new();
    for (rules, backups) in [
        (rules(""), with(backup(newest))),
        (rules("last=1"), Vec::new()),
        (rules("last=1"), with(foreign)),
        (rules("last=1"), with(broken)),
        (rules("last=1"), with(damaged)),
        (
            Rules {
                shrank: Some(70),
                ..rules("last=1")
            },
            with(backup(newest)),
        ),
    ] {
        let plan = plan(&rules, &backups);
        assert_eq!(plan.going().count(), 0);
        halted.push(plan.halted.unwrap().to_string());
    }
    let early = newest - 2.hours();
    let plan = Plan::of(&rules("last=1"), with(backup(newest)), early);
    assert_eq!(plan.going().count(), 0);
    halted.push(plan.halted.unwrap().to_string());
    insta::assert_snapshot!(halted.join("\n"), @r"
    no policy is set
    there is no finished backup of this server
    the newest backup backup-20261122150000000000 is of another server, other.example
    the newest backup backup-20261122150000000000 is broken
    the newest backup backup-20261122150000000000 is broken
    the newest backup backup-20261122150000000000 holds 70 % less than the one before
    the backup backup-20261122150000000000 was begun at a time to come: a clock is wrong
    ");
}

#[test]
fn what_time_does_not_decide_about_stays() {
    let newest = time("2026-11-22T15:00:00Z");
    let other = |days: i64, change: fn(&mut Candidate)| {
        let mut backup = backup(newest - (days * 24).hours());
        change(&mut backup);
        backup
    };
    let backups = [
        other(8, |backup| backup.standing = Standing::Legacy),
        other(7, |backup| {
            backup.server_name = Some("other.example".to_owned())
        }),
        other(6, |backup| backup.standing = Standing::Interrupted),
        other(5, |backup| {
            backup.proven = Some(Proven::Broken(Level::Full, Timestamp::UNIX_EPOCH));
        }),
        other(4, |backup| {
            backup.proven = Some(Proven::Good(Level::Rehearse, Timestamp::UNIX_EPOCH));
        }),
        other(3, |backup| {
            backup.proven = Some(Proven::Good(Level::Quick, Timestamp::UNIX_EPOCH));
        }),
        other(2, |backup| backup.protected = true),
        other(1, |_| ()),
        other(0, |_| ()),
    ];
    insta::assert_snapshot!(told(&plan(&rules("last=1"), &backups)), @r"
    keep Sat 2026-11-14 15:00: made by the Python charm: delete-backup removes it
    keep Sun 2026-11-15 15:00: of the server other.example
    keep Mon 2026-11-16 15:00: not finished: delete-backup removes it
    keep Tue 2026-11-17 15:00: found broken: delete-backup removes it
    keep Wed 2026-11-18 15:00: the newest that was verified in full
    keep Thu 2026-11-19 15:00: the newest that was verified
    keep Fri 2026-11-20 15:00: protected
      go Sat 2026-11-21 15:00: no rule keeps it
    keep Sun 2026-11-22 15:00: the newest, last=1
    ");
}

#[test]
fn intervals_are_those_of_bakthat() {
    for (text, seconds) in [
        ("1s", 1),
        ("1m", 60),
        ("1h", 3_600),
        ("1D", 86_400),
        ("1W", 604_800),
        ("1M", 2_592_000),
        ("1Y", 31_536_000),
        (
            "3M2D8h20m5s",
            3 * 2_592_000 + 2 * 86_400 + 8 * 3_600 + 20 * 60 + 5,
        ),
        ("5s1Y5s", 31_536_010),
    ] {
        let read = Interval::parse(text).unwrap();
        assert_eq!(read.duration().as_secs(), seconds, "{text}");
        assert_eq!(Interval::parse(&read.to_string()), Ok(read));
    }
    for text in [
        "",
        "0s",
        "1D0h",
        "1",
        "D",
        "1d",
        "1 D",
        "-1D",
        "1.5D",
        "1Dx",
        "99999999999999999999s",
        "9999999999Y",
        "１D",
        "1D\n",
    ] {
        let refused = Interval::parse(text).unwrap_err();
        assert!(refused.to_string().starts_with("Bad interval format for "));
    }
}

#[test]
fn policies_are_read_or_refused_with_the_word_that_is_wrong() {
    let read = |text| Policy::parse(text, Weekday::default());
    let policy = read("last=3, hourly=0 daily=7 weekly=4 monthly=6 yearly=1 within=2D").unwrap();
    assert_eq!(
        policy.to_string(),
        "last=3 daily=7 weekly=4 monthly=6 yearly=1 within=2D"
    );
    assert!(read(" ").unwrap().is_empty());
    assert!(read("last=0 daily=0").unwrap().is_empty());
    let refused = [
        "daily",
        "nightly=3",
        "daily=7 daily=8",
        "last=-1",
        "last=",
        "last=+1",
        "daily=100001",
        "within=2",
        "within=0D",
    ];
    let told: Vec<String> = refused
        .iter()
        .map(|text| read(text).unwrap_err().to_string())
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    "daily" is not of the form daily=7
    "nightly" is none of last, hourly, daily, weekly, monthly, yearly and within
    daily is said twice
    last="-1" is no whole number from 0 to 100000
    last="" is no whole number from 0 to 100000
    last="+1" is no whole number from 0 to 100000
    daily="100001" is no whole number from 0 to 100000
    within: Bad interval format for 2
    within: Bad interval format for 0D
    "#);
    assert_eq!(Weekday::parse("Monday"), Weekday::parse(" monday "));
    assert!(Weekday::parse("mon").is_err());
}
