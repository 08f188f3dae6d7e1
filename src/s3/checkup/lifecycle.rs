//! The bucket's own rules: whether they remove what breaks off, and that they do not remove backups.

use aws_sdk_s3::types::{ExpirationStatus, LifecycleRule};

use super::check::{Remedy, Verdict};
use crate::s3::params::shown;

/// What matters to backups of the rules of a bucket; `root` is the path with a slash behind it.
pub(super) fn told(
    rules: &[LifecycleRule],
    bucket: &str,
    root: &str,
) -> (Verdict, String, Vec<Remedy>) {
    let ours: Vec<&LifecycleRule> = rules
        .iter()
        .filter(|rule| *rule.status() == ExpirationStatus::Enabled && touches(rule, root))
        .collect();
    let deleting = ours.iter().find_map(|rule| {
        let expiration = rule.expiration()?;
        let term = match (expiration.days(), expiration.date()) {
            (Some(days), _) => format!("after {days} days"),
            (None, Some(_)) => "at a date".to_owned(),
            (None, None) => return None,
        };
        let id = shown(rule.id().unwrap_or("without a name"));
        Some((id, term))
    });
    if let Some((id, term)) = deleting {
        let what = format!("the rule {id} removes backups {term}, piece by piece");
        let repair =
            "leave the path of the backups out of that rule; delete-backup removes them whole";
        return (Verdict::Warn, what, vec![Remedy::advice(repair)]);
    }
    let aborting = ours.iter().find_map(|rule| {
        let days = rule
            .abort_incomplete_multipart_upload()?
            .days_after_initiation()?;
        covers(rule, root).then_some(days)
    });
    match aborting {
        Some(days) => {
            let what = format!("uploads that broke off go after {days} days");
            (Verdict::Pass, what, Vec::new())
        }
        None => {
            let what = "no rule removes uploads that broke off; create-backup and delete-backup sweep their own";
            let command = aborting_rule(bucket, root);
            (
                Verdict::Warn,
                what.to_owned(),
                vec![Remedy::advice(command)],
            )
        }
    }
}

fn prefix(rule: &LifecycleRule) -> &str {
    #[expect(
        deprecated,
        reason = "old rules and some stores still say it in this way"
    )]
    let plain = rule.prefix();
    let filter = rule.filter();
    let filtered = filter.and_then(|filter| {
        let all = filter.and().and_then(|and| and.prefix());
        filter.prefix().or(all)
    });
    filtered.or(plain).unwrap_or_default()
}

/// Whether a rule may touch something below the path.
fn touches(rule: &LifecycleRule, root: &str) -> bool {
    let prefix = prefix(rule);
    prefix.starts_with(root) || root.starts_with(prefix)
}

/// Whether a rule touches all below the path.
fn covers(rule: &LifecycleRule, root: &str) -> bool {
    let narrowed = rule
        .filter()
        .is_some_and(|filter| filter.tag().is_some() || filter.and().is_some());
    root.starts_with(prefix(rule)) && !narrowed
}

/// The command for a rule that removes what breaks off.
fn aborting_rule(bucket: &str, root: &str) -> String {
    let rule = format!(
        r#"{{"Rules":[{{"ID":"uploads-that-broke-off","Status":"Enabled","Filter":{{"Prefix":"{root}"}},"AbortIncompleteMultipartUpload":{{"DaysAfterInitiation":7}}}}]}}"#
    );
    command(bucket, &rule)
}

/// The command for a rule that removes old versions.
pub(super) fn noncurrent(bucket: &str, root: &str) -> String {
    let rule = format!(
        r#"{{"Rules":[{{"ID":"old-versions","Status":"Enabled","Filter":{{"Prefix":"{root}"}},"NoncurrentVersionExpiration":{{"NoncurrentDays":30}}}}]}}"#
    );
    command(bucket, &rule)
}

fn command(bucket: &str, rules: &str) -> String {
    format!(
        "add a rule (this replaces all there are): aws s3api put-bucket-lifecycle-configuration --bucket {bucket} --lifecycle-configuration '{rules}'"
    )
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::{
        AbortIncompleteMultipartUpload, LifecycleExpiration, LifecycleRuleFilter,
    };

    use super::*;

    fn rule(prefix: &str, aborts: bool, expires: bool) -> LifecycleRule {
        let abort = AbortIncompleteMultipartUpload::builder().days_after_initiation(7);
        let expiration = LifecycleExpiration::builder().days(30);
        let built = LifecycleRule::builder()
            .id("a-rule")
            .status(ExpirationStatus::Enabled)
            .filter(LifecycleRuleFilter::builder().prefix(prefix).build())
            .set_abort_incomplete_multipart_upload(aborts.then(|| abort.build()))
            .set_expiration(expires.then(|| expiration.build()))
            .build();
        built.unwrap_or_else(|error| panic!("{error}"))
    }

    fn of(rules: &[LifecycleRule]) -> (Verdict, String) {
        let (verdict, what, _) = told(rules, "demo", "prod/");
        (verdict, what)
    }

    #[test]
    fn rule_that_removes_what_broke_off_has_to_cover_the_whole_path() {
        let well = (
            Verdict::Pass,
            "uploads that broke off go after 7 days".to_owned(),
        );
        assert_eq!(of(&[rule("", true, false)]), well);
        assert_eq!(of(&[rule("prod/", true, false)]), well);
        for prefix in ["prod/sub/", "other/"] {
            assert_eq!(of(&[rule(prefix, true, false)]).0, Verdict::Warn);
        }
        assert_eq!(of(&[]).0, Verdict::Warn);
    }

    #[test]
    fn rule_that_removes_backups_is_told_before_anything_else() {
        for prefix in ["", "prod/", "prod/backup-"] {
            let (verdict, what) = of(&[rule("", true, false), rule(prefix, false, true)]);
            assert_eq!(verdict, Verdict::Warn);
            assert_eq!(
                what,
                "the rule a-rule removes backups after 30 days, piece by piece"
            );
        }
        assert_eq!(of(&[rule("other/", true, true)]).1, of(&[]).1);
    }
}
