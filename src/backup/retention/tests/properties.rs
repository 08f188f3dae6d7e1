//! What holds for any policy and any shelf of backups.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;

fn policies() -> impl Strategy<Value = Policy> {
    let few = || 0_u32..4;
    let within = prop::option::of(1_u64..40);
    let weekday = 0_usize..7;
    (few(), few(), few(), few(), few(), few(), within, weekday).prop_map(|drawn| {
        let (last, hourly, daily, weekly, monthly, yearly, within, weekday) = drawn;
        let names = [
            "monday",
            "tuesday",
            "wednesday",
            "thursday",
            "friday",
            "saturday",
            "sunday",
        ];
        Policy {
            last,
            hourly,
            daily,
            weekly,
            monthly,
            yearly,
            within: within.and_then(Interval::of_days),
            first_weekday: Weekday::parse(names[weekday]).unwrap(),
        }
    })
}

fn standings() -> impl Strategy<Value = Standing> {
    let damaged = Standing::Damaged {
        what: String::new(),
    };
    prop_oneof![
        12 => Just(Standing::Finished),
        4 => Just(Standing::FinishedWithWarnings),
        1 => Just(Standing::Interrupted),
        1 => Just(Standing::Legacy),
        1 => Just(damaged),
    ]
}

fn proofs() -> impl Strategy<Value = Option<Proven>> {
    let at = Timestamp::UNIX_EPOCH;
    prop_oneof![
        6 => Just(None),
        1 => Just(Some(Proven::Good(Level::Quick, at))),
        1 => Just(Some(Proven::Good(Level::Full, at))),
        1 => Just(Some(Proven::Broken(Level::Full, at))),
    ]
}

fn begin() -> Timestamp {
    time("2025-03-01T00:30:00Z")
}

fn shelves() -> impl Strategy<Value = Vec<Candidate>> {
    let server = prop_oneof![9 => Just(SERVER), 1 => Just("other.example")];
    let hours = 0_i64..24 * 500;
    let expires = prop::option::weighted(0.2, 0_i64..24 * 600);
    let one = (
        hours,
        standings(),
        proofs(),
        prop::bool::weighted(0.1),
        server,
        expires,
    );
    let one = one.prop_map(
        |(hours, standing, proven, protected, server, expires)| Candidate {
            standing,
            proven,
            protected,
            expires: expires.map(|hours| begin() + SignedDuration::from_hours(hours)),
            server_name: Some(server.to_owned()),
            ..backup(begin() + SignedDuration::from_hours(hours))
        },
    );
    prop::collection::vec(one, 0..60).prop_map(|mut backups| {
        backups.sort_by(|one, other| one.id.cmp(&other.id));
        backups.dedup_by(|one, other| one.id == other.id);
        backups
    })
}

fn all_rules() -> impl Strategy<Value = Rules> {
    (
        policies(),
        prop::option::of(1_u64..300),
        prop::option::weighted(0.1, 50_u64..99),
    )
        .prop_map(|(policy, days, shrank)| Rules {
            policy,
            bounds: days
                .and_then(Interval::of_days)
                .map(|older_than| Bound {
                    older_than,
                    said_by: "a test",
                })
                .into_iter()
                .collect(),
            shrank,
            ..rules("")
        })
}

fn finished(backup: &Candidate) -> bool {
    matches!(
        backup.standing,
        Standing::Finished | Standing::FinishedWithWarnings
    )
}

proptest! {
    #[test]
    fn newest_newest_proven_and_protected_ones_never_go(rules in all_rules(), backups in shelves()) {
        let going = going(&plan(&rules, &backups));
        let newest = |wanted: &dyn Fn(&Candidate) -> bool| {
            let found = backups.iter().rev().find(|backup| finished(backup) && wanted(backup));
            found.map(|backup| backup.id.clone())
        };
        let ours = |backup: &Candidate| backup.server_name.as_deref() == Some(SERVER);
        let good = |backup: &Candidate| ours(backup) && matches!(backup.proven, Some(Proven::Good(..)));
        let read = |backup: &Candidate| ours(backup) && matches!(backup.proven, Some(Proven::Good(Level::Full, _)));
        for spared in [newest(&|_| true), newest(&ours), newest(&good), newest(&read)].into_iter().flatten() {
            prop_assert!(!going.contains(&spared));
        }
        for backup in &backups {
            let spared = backup.protected || !finished(backup) || !ours(backup);
            prop_assert!(!(spared && going.contains(&backup.id)), "{backup:?}");
        }
    }

    #[test]
    fn nothing_goes_while_the_newest_shrank_is_broken_or_foreign(rules in all_rules(), backups in shelves()) {
        let plan = plan(&rules, &backups);
        let made = |backup: &&Candidate| finished(backup) || matches!(backup.standing, Standing::Damaged { .. });
        let newest = backups.iter().rev().find(made);
        let doubtful = newest.is_none_or(|newest| {
            !finished(newest)
                || matches!(newest.proven, Some(Proven::Broken(..)))
                || newest.server_name.as_deref() != Some(SERVER)
        });
        if doubtful || rules.shrank.is_some() || (rules.policy.is_empty() && rules.bounds.is_empty() && backups.iter().all(|backup| backup.expires.is_none())) {
            prop_assert!(plan.halted.is_some());
            prop_assert_eq!(plan.going().count(), 0);
        } else {
            prop_assert_eq!(plan.halted, None);
        }
    }

    #[test]
    fn pruning_twice_is_pruning_once(rules in all_rules(), backups in shelves()) {
        let gone = going(&plan(&rules, &backups));
        let mut left = backups;
        left.retain(|backup| !gone.contains(&backup.id));
        prop_assert_eq!(going(&plan(&rules, &left)), BTreeSet::new());
    }

    #[test]
    fn keeping_more_deletes_no_more(rules in all_rules(), more in policies(), backups in shelves()) {
        prop_assume!(!rules.policy.is_empty());
        let before = going(&plan(&rules, &backups));
        let policy = &rules.policy;
        let policy = Policy {
            last: policy.last + more.last,
            hourly: policy.hourly + more.hourly,
            daily: policy.daily + more.daily,
            weekly: policy.weekly + more.weekly,
            monthly: policy.monthly + more.monthly,
            yearly: policy.yearly + more.yearly,
            within: policy.within.max(more.within),
            first_weekday: policy.first_weekday,
        };
        let after = going(&plan(&Rules { policy, ..rules }, &backups));
        prop_assert!(after.is_subset(&before));
    }

    #[test]
    fn the_clock_decides_only_whether_anything_goes(rules in all_rules(), backups in shelves(), hours in -20_000_i64..20_000) {
        let right = going(&plan(&rules, &backups));
        let wrong = time("2026-06-01T00:00:00Z") + SignedDuration::from_hours(hours);
        let wrong = going(&Plan::of(&rules, backups, wrong));
        prop_assert!(wrong.is_empty() || wrong == right);
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in ".{0,40}", grammar in "[0-9smhDWMYx=, a-z]{0,30}") {
        for text in [text, grammar] {
            if let Ok(interval) = Interval::parse(&text) {
                prop_assert_eq!(Interval::parse(&interval.to_string()), Ok(interval));
            }
            if let Ok(policy) = Policy::parse(&text, Weekday::default()) {
                prop_assert_eq!(Policy::parse(&policy.to_string(), Weekday::default()), Ok(policy));
            }
        }
    }
}
