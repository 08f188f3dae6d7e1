//! The bucket's own rules: whether they remove what breaks off, and that they do not remove backups.

use aws_sdk_s3::types::{ExpirationStatus, LifecycleRule};

use super::bench::Bench;
use super::check::{Remedy, Report};

/// Tells of rules what matters to backups.
pub(super) fn told(rules: &[LifecycleRule], bench: &Bench, report: &mut Report) {
    let name = "lifecycle";
    let ours: Vec<&LifecycleRule> = rules
        .iter()
        .filter(|rule| *rule.status() == ExpirationStatus::Enabled && touches(rule, &bench.root))
        .collect();
    let deleting = ours.iter().find_map(|rule| {
        let expiration = rule.expiration()?;
        let term = match (expiration.days(), expiration.date()) {
            (Some(days), _) => format!("after {days} days"),
            (None, Some(_)) => "at a date".to_owned(),
            (None, None) => return None,
        };
        let id = bench.scene.cleared(rule.id().unwrap_or("without a name"));
        Some((id, term))
    });
    if let Some((id, term)) = deleting {
        let what = format!("the rule {id} removes backups {term}, piece by piece");
        let repair =
            "leave the path of the backups out of that rule; delete-backup removes them whole";
        report.warn(name, what, vec![Remedy::advice(repair)]);
        return;
    }
    let aborting = ours.iter().find_map(|rule| {
        let days = rule
            .abort_incomplete_multipart_upload()?
            .days_after_initiation()?;
        covers(rule, &bench.root).then_some(days)
    });
    match aborting {
        Some(days) => report.pass(name, format!("uploads that broke off go after {days} days")),
        None => {
            let what = "no rule removes uploads that broke off; create-backup and delete-backup sweep their own";
            let command = aborting_rule(&bench.bucket, &bench.root);
            report.warn(name, what, vec![Remedy::advice(command)]);
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
