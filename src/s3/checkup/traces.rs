//! What a checkup writes, and that nothing of it stays.

use std::time::Duration;

use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use jiff::Timestamp;

use super::bench::Bench;
use super::check::{Remedy, Report};
use crate::s3::bucket::timestamp;

/// What all folders of checkups begin with.
const FOLDER: &str = "check-";
/// The digits behind it.
const DIGITS: usize = 16;
/// Traces that are older belong to a checkup that was killed.
const STALE: Duration = Duration::from_secs(600);

/// The folder of one checkup, and what lies in it.
#[derive(Debug)]
pub(super) struct Traces {
    /// The folder with the path before it and a slash behind it.
    folder: String,
    /// The objects, with the versions that the store gave them.
    objects: Vec<(String, Option<String>)>,
    /// Whether anything may have been begun in parts.
    uploads: bool,
}

impl Traces {
    pub(super) fn new(root: &str, random: u64) -> Self {
        Self {
            folder: format!("{root}{FOLDER}{random:016x}/"),
            objects: Vec::new(),
            uploads: false,
        }
    }

    /// The folder, as the store knows it.
    pub(super) fn folder(&self) -> &str {
        &self.folder
    }

    /// The key of an object in it. What is about to be written is noted first.
    pub(super) fn key(&mut self, name: &str) -> String {
        let key = format!("{}{name}", self.folder);
        if !self.objects.iter().any(|(known, _)| *known == key) {
            self.objects.push((key.clone(), None));
        }
        key
    }

    /// Notes the version that an object has got.
    pub(super) fn version(&mut self, key: &str, version: Option<&str>) {
        if let Some(version) = version.filter(|version| *version != "null") {
            let version = Some(version.to_owned());
            self.objects.push((key.to_owned(), version));
        }
    }

    /// Notes that an upload is about to be begun.
    pub(super) fn begun(&mut self) {
        self.uploads = true;
    }
}

/// Removes all traces of this checkup, and tells what could not be removed.
pub(super) async fn tidy(bench: &mut Bench, report: &mut Report) {
    let objects = std::mem::take(&mut bench.traces.objects);
    let mut kept = 0_usize;
    let mut versions = 0_usize;
    for (key, version) in objects.iter().rev() {
        match (version, remove(bench, key, version.as_deref()).await) {
            (_, true) => (),
            (Some(_), false) => versions += 1,
            (None, false) => kept += 1,
        }
    }
    let mut open = 0_usize;
    if bench.traces.uploads {
        let folder = bench.traces.folder.clone();
        for (key, id, _) in uploads(bench, &folder).await {
            open += usize::from(!abort(bench, &key, &id).await);
        }
    }
    let folder = bench.traces.folder.clone();
    match (kept, open, versions) {
        (0, 0, 0) => report.pass("left-behind", "nothing"),
        (0, 0, versions) => {
            let what = format!(
                "{versions} old versions below {folder}: the bucket keeps versions, and the key may not delete them"
            );
            let repair = Remedy::advice("let a lifecycle rule expire noncurrent versions");
            report.warn("left-behind", what, vec![repair]);
        }
        (kept, open, _) => {
            let what = format!(
                "{kept} small objects and {open} open uploads below {folder}; the next check tries again"
            );
            let remedy = Remedy::Allow {
                action: "s3:DeleteObject",
                resource: bench.objects(),
            };
            report.warn("left-behind", what, vec![remedy]);
        }
    }
}

/// Tells that the time for removing the traces was over.
pub(super) fn untidied(bench: &Bench, report: &mut Report) {
    let what = format!(
        "what lies below {}: the store did not remove it in time; the next check tries again",
        bench.traces.folder
    );
    report.warn("left-behind", what, Vec::new());
}

/// Removes what killed checkups have left, as far as it is to be found and old.
pub(super) async fn sweep(bench: &mut Bench) {
    let began = format!("{}{FOLDER}", bench.root);
    let stale = |time: Option<Timestamp>, bench: &Bench| {
        let age = time.map(|time| bench.store_time().duration_since(time));
        age.is_some_and(|age| age.as_secs() > STALE.as_secs() as i64)
    };
    let mut swept = 0_usize;
    for (key, time) in bench.list(&began).await.unwrap_or_default() {
        if is_ours(&key, &bench.root) && stale(time, bench) {
            swept += usize::from(remove(bench, &key, None).await);
        }
    }
    for (key, id, time) in uploads(bench, &began).await {
        if is_ours(&key, &bench.root) && stale(time, bench) {
            swept += usize::from(abort(bench, &key, &id).await);
        }
    }
    if swept > 0 {
        tracing::info!(swept, "removed what an earlier check had left");
    }
}

/// Whether a key lies in the folder of some checkup.
fn is_ours(key: &str, root: &str) -> bool {
    let behind = key
        .strip_prefix(root)
        .and_then(|rest| rest.strip_prefix(FOLDER));
    let folder = behind.and_then(|rest| rest.split_once('/'));
    folder.is_some_and(|(digits, _)| {
        digits.len() == DIGITS
            && digits
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    })
}

/// Removes one object, first in the way that backups take.
async fn remove(bench: &Bench, key: &str, version: Option<&str>) -> bool {
    let object = ObjectIdentifier::builder()
        .key(key)
        .set_version_id(version.map(str::to_owned))
        .build();
    let delete = object.and_then(|object| Delete::builder().objects(object).quiet(true).build());
    if let Ok(delete) = delete {
        let call = bench.client.delete_objects().bucket(&bench.bucket);
        let call = call.delete(delete).customize();
        let sent = call.config_override(bench.patience()).send().await;
        if sent.is_ok_and(|answer| answer.errors().is_empty()) {
            return true;
        }
    }
    let call = bench.client.delete_object().bucket(&bench.bucket).key(key);
    let call = call.set_version_id(version.map(str::to_owned)).customize();
    let sent = call.config_override(bench.patience()).send().await;
    sent.is_ok()
}

async fn abort(bench: &Bench, key: &str, id: &str) -> bool {
    let call = bench.client.abort_multipart_upload().bucket(&bench.bucket);
    let call = call.key(key).upload_id(id).customize();
    let sent = call.config_override(bench.patience()).send().await;
    sent.is_ok()
}

/// The open uploads whose keys begin so, as far as the store tells.
async fn uploads(bench: &Bench, prefix: &str) -> Vec<(String, String, Option<Timestamp>)> {
    // Some stores find nothing by a prefix.
    let call = bench.client.list_multipart_uploads().bucket(&bench.bucket);
    let sent = call.customize().config_override(bench.patience()).send();
    let Ok(answer) = sent.await else {
        return Vec::new();
    };
    let open = answer.uploads().iter().filter_map(|upload| {
        let key = upload.key().filter(|key| key.starts_with(prefix))?;
        let time = upload.initiated().and_then(timestamp);
        Some((key.to_owned(), upload.upload_id()?.to_owned(), time))
    });
    open.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_of_checkups_are_ours() {
        let mut traces = Traces::new("prod/", 0xab);
        let key = traces.key("object");
        assert_eq!(key, "prod/check-00000000000000ab/object");
        assert!(is_ours(&key, "prod/"));
        for other in [
            "check-00000000000000ab/object",
            "prod/check-00000000000000ab",
            "prod/check-00000000000000AB/object",
            "prod/check-0ab/object",
            "prod/check-mate/object",
            "prod/backup-20261121120405000678/manifest.json",
        ] {
            assert!(!is_ours(other, "prod/"), "{other}");
        }
    }
}
