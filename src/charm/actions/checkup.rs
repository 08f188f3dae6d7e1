//! `check-backup-storage`: the store looked at item by item, with the command that mends each.
//!
//! It answers whatever is wrong, the relation included, and never fails for what it finds: what failed is a result. Any
//! unit may run it, as each has a network of its own.

mod owner;
mod remedies;
mod text;

use tokio::sync::mpsc;
use tracing::debug;

use super::{Parameters, Results, led, seconds};
use crate::charm::bucket_relation::{self, BackupRelation};
use crate::charm::failure::{self, Failure, Kind};
use crate::charm::store;
use crate::charm::{Charm, now, transfer};
use crate::juju::Status;
use crate::s3::{Check, Checkup, ITEMS, Limits, Params, Remedy, Verdict};
use remedies::Provider;

const LEAD: &str = "Error checking the backup storage.";
/// The item that comes before those of the store.
const RELATION: &str = "relation";
/// How much is sent and fetched when nothing else is said.
const TRANSFER: u64 = 64 << 20;
/// The most that may be asked for.
const LARGEST: u64 = 4 << 30;

pub(super) async fn check(charm: &Charm, parameters: &Parameters) -> Result<Results, Failure> {
    let started = now();
    let size = size(parameters.text("size"))?;
    let moved = parameters.flag("rate").then_some(size);
    let provider = Provider::find(charm).await.map_err(led(LEAD))?;
    let relation = bucket_relation::backup_relation(charm)
        .await
        .map_err(led(LEAD))?;
    let mut checks = Vec::with_capacity(ITEMS.len() + 1);
    let ready = ready(charm, &relation, moved).await;
    let (first, checkup) = match ready {
        Ok((first, checkup)) => (first, Some(checkup)),
        Err(refused) => (refused, None),
    };
    tell(charm, &first).await;
    checks.push(first);
    match checkup {
        Some(checkup) => {
            checks.extend(run(charm, checkup).await);
            let read = checks
                .iter()
                .any(|check| check.name == "get" && is_well(check));
            let owner = match read {
                true => owner::look(charm, &relation).await,
                false => skipped(owner::NAME, "nothing can be read"),
            };
            tell(charm, &owner).await;
            checks.push(owner);
        }
        None => {
            let all = ITEMS.into_iter().chain([owner::NAME]);
            checks.extend(all.map(|name| skipped(name, "there is no bucket to ask for")));
        }
    }
    let mut results = text::results(&checks, &provider)?;
    results.insert("seconds".to_owned(), seconds(started, now()));
    Ok(results)
}

fn is_well(check: &Check) -> bool {
    matches!(check.verdict, Verdict::Pass | Verdict::Warn)
}

fn skipped(name: &'static str, why: &str) -> Check {
    Check {
        name,
        verdict: Verdict::Skipped,
        what: why.to_owned(),
        remedies: Vec::new(),
    }
}

/// The relation's item, and the look at the store; or why there is none.
async fn ready(
    charm: &Charm,
    relation: &BackupRelation,
    moved: Option<u64>,
) -> Result<(Check, Checkup), Check> {
    let params = match relation {
        BackupRelation::Ready(params) => params.as_ref().clone(),
        other => return Err(refused(charm, other)),
    };
    for secret in params.secrets() {
        charm.log.conceal(secret);
    }
    let proxy = store::proxy(charm).map_err(|failure| {
        let remedies = vec![Remedy::Proxy(params.store())];
        fail(failure.cause(), remedies)
    })?;
    let mut random = [0; 8];
    getrandom::fill(&mut random)
        .map_err(|_| fail("the system gives no random numbers", Vec::new()))?;
    let mut first = told(&params);
    // What is set for transfers shapes the rates; a mistake in it hinders backups, and not the look.
    let limits = match charm.options().await {
        Ok(options) => transfer::limits(charm.application(), options),
        Err(error) => Err(failure::sort(&error)),
    };
    let limits = limits.unwrap_or_else(|failure| {
        first = fail(
            failure.cause(),
            vec![Remedy::Advice(failure.hint().to_owned())],
        );
        Limits::default()
    });
    let checkup = Checkup {
        params,
        proxy,
        limits,
        transfer: moved,
        random: u64::from_be_bytes(random),
        now,
    };
    Ok((first, checkup))
}

/// What the relation names.
fn told(params: &Params) -> Check {
    let path = match params.path() {
        "" => "no path".to_owned(),
        path => format!("path {path}"),
    };
    let mut what = format!("{}, bucket {}, {path}", params.store(), params.bucket());
    let ignored: Vec<String> = params.ignored().iter().map(ToString::to_string).collect();
    if !ignored.is_empty() {
        what += &format!("; {}", ignored.join("; "));
    }
    let resets = params.ignored().iter().map(|one| {
        let reset = format!("reset {} at the S3 integrator, or leave it", one.key);
        Remedy::Advice(reset)
    });
    Check {
        name: RELATION,
        verdict: match ignored.is_empty() {
            true => Verdict::Pass,
            false => Verdict::Warn,
        },
        what,
        remedies: resets.collect(),
    }
}

/// Why the relation names no store.
fn refused(charm: &Charm, relation: &BackupRelation) -> Check {
    match relation {
        BackupRelation::Invalid(problems) => {
            let remedies = problems.iter().map(|problem| match problem.key {
                "access-key" | "secret-key" => Remedy::Credentials,
                key => Remedy::Advice(format!("{key}: {}", problem.hint)),
            });
            let mut remedies: Vec<Remedy> = remedies.collect();
            remedies.dedup();
            fail(failure::parameters(problems).cause(), remedies)
        }
        other => match store::params(charm, other) {
            Err(failure) => fail(
                failure.cause(),
                vec![Remedy::Advice(failure.hint().to_owned())],
            ),
            Ok(_) => fail("the relation changed while it was read", Vec::new()),
        },
    }
}

fn fail(what: &str, remedies: Vec<Remedy>) -> Check {
    Check {
        name: RELATION,
        verdict: Verdict::Fail,
        what: what.to_owned(),
        remedies,
    }
}

/// Looks at the store and tells each finding as it comes.
async fn run(charm: &Charm, checkup: Checkup) -> Vec<Check> {
    let (told, mut findings) = mpsc::channel(ITEMS.len());
    let look = checkup.run(told);
    let telling = async {
        while let Some(check) = findings.recv().await {
            tell(charm, &check).await;
        }
    };
    // The telling ends when the look has ended, which drops the other end of the queue.
    tokio::join!(look, telling).0
}

async fn tell(charm: &Charm, check: &Check) {
    let line = format!("{}: {}: {}", check.name, check.verdict, check.what);
    let status = Status::maintenance(format!("check-backup-storage: {}", check.name));
    let told = async {
        charm.tools.action_log(&line).await?;
        charm.tools.status_set(&status).await
    };
    if let Err(error) = told.await {
        debug!(%error, "progress could not be told");
    }
}

/// Reads the parameter `size`: a number of MiB or GiB.
fn size(text: &str) -> Result<u64, Failure> {
    if text.is_empty() {
        return Ok(TRANSFER);
    }
    let (number, shift) = match (text.strip_suffix("MiB"), text.strip_suffix("GiB")) {
        (Some(number), _) => (number, 20),
        (None, Some(number)) => (number, 30),
        (None, None) => ("", 0),
    };
    let bytes = number.trim().parse::<u64>().ok();
    let bytes = bytes.and_then(|number| number.checked_mul(1 << shift));
    bytes
        .filter(|bytes| (1 << 20..=LARGEST).contains(bytes))
        .ok_or_else(|| {
            let shown: String = text.chars().take(80).collect();
            let cause = format!("size {shown:?} is not a size between 1MiB and 4GiB");
            let hint = "give size=64MiB, or rate=false";
            Failure::new(Kind::Operator, "size-invalid", cause, hint).led_by(LEAD)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_unit() {
        let read = ["", "1MiB", "2 GiB"].map(|text| size(text).ok());
        assert_eq!(read, [Some(TRANSFER), Some(1 << 20), Some(2 << 30)]);
        for wrong in ["64", "0MiB", "5GiB", "MiB", "-1MiB", "1MB"] {
            let code = size(wrong).err().map(|failure| failure.code);
            assert_eq!(code, Some("size-invalid"), "{wrong}");
        }
    }
}
