//! How bytes go to the store and come back, as the options say.

use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

use super::failure::{Failure, Kind};
use crate::juju::Options;
use crate::s3::{Checksum, Limits, Memory};

/// Less would cut what is only slow; more would wait for what is long dead.
const STALLS: std::ops::RangeInclusive<i64> = 1..=3600;
/// How many times as long nothing at all may come through before the whole is given up.
const FRUITLESS: u32 = 15;
/// Each part that is on its way takes its size in memory, and no more are than `backup_memory` has room for.
const PARALLEL: std::ops::RangeInclusive<i64> = 1..=32;
/// At less a part of the usual size would take longer than stores wait.
const SLOWEST: u64 = 64 << 10;

/// Makes limits of the options; tells everything that is wrong with them at once.
pub(super) fn limits(application: &str, options: &Options) -> Result<Limits, Failure> {
    let usual = Limits::default();
    let mut problems = Vec::new();
    let silence = whole(options, "backup_stall_seconds", STALLS).map(|seconds| {
        seconds.map_or(usual.silence, |seconds| {
            Duration::from_secs(seconds.unsigned_abs())
        })
    });
    let in_flight = whole(options, "backup_parallelism", PARALLEL).map(|count| {
        let count = count.and_then(|count| usize::try_from(count).ok());
        count.and_then(NonZeroUsize::new).unwrap_or(usual.in_flight)
    });
    let silence = taken(silence, &mut problems).unwrap_or(usual.silence);
    let limits = Limits {
        silence,
        fruitless: silence * FRUITLESS,
        in_flight: taken(in_flight, &mut problems).unwrap_or(usual.in_flight),
        memory: taken(memory(options), &mut problems).unwrap_or(usual.memory),
        upload_rate: taken(rate(options, "backup_upload_limit"), &mut problems).flatten(),
        download_rate: taken(rate(options, "backup_download_limit"), &mut problems).flatten(),
        checksum: taken(checksum(options), &mut problems).unwrap_or(usual.checksum),
        ..usual
    };
    let failures = problems.into_iter().map(|Wrong { option, problem }| {
        Failure::new(
            Kind::Operator,
            "option-invalid",
            format!("{option}: {problem}"),
            format!("correct it: juju config {application} {option}=..."),
        )
    });
    match Failure::all(failures.collect()) {
        None => Ok(limits),
        Some(problems) => Err(problems),
    }
}

/// An option that cannot be used.
struct Wrong {
    option: &'static str,
    problem: String,
}

fn taken<T>(read: Result<T, Wrong>, problems: &mut Vec<Wrong>) -> Option<T> {
    read.map_err(|wrong| problems.push(wrong)).ok()
}

fn whole(
    options: &Options,
    option: &'static str,
    within: std::ops::RangeInclusive<i64>,
) -> Result<Option<i64>, Wrong> {
    match options.whole(option) {
        Some(number) if !within.contains(&number) => Err(Wrong {
            option,
            problem: format!(
                "{number} is not between {} and {}",
                within.start(),
                within.end()
            ),
        }),
        number => Ok(number),
    }
}

/// Bytes a second, such as `20MiB`; nothing where the option is empty.
fn rate(options: &Options, option: &'static str) -> Result<Option<NonZeroU64>, Wrong> {
    let Some(text) = options.text(option).map(str::trim) else {
        return Ok(None);
    };
    let text = text.strip_suffix("/s").unwrap_or(text).trim();
    let wrong = |problem| Err(Wrong { option, problem });
    match size(text) {
        None => wrong(format!(
            "{text:?} is no size per second; write one such as 20MiB or 512KiB"
        )),
        Some(rate) if rate < SLOWEST => wrong(format!("{text:?} is less than 64KiB")),
        Some(rate) => Ok(NonZeroU64::new(rate)),
    }
}

/// The most memory that a run takes; the usual where the option is empty.
fn memory(options: &Options) -> Result<Memory, Wrong> {
    let option = "backup_memory";
    let Some(text) = options.text(option).map(str::trim) else {
        return Ok(Memory::default());
    };
    let wrong = |problem| Wrong { option, problem };
    let bytes = size(text).ok_or_else(|| {
        wrong(format!(
            "{text:?} is no size; write one such as 128MiB or 1GiB"
        ))
    })?;
    let outside = || wrong(format!("{text:?} is not between 80MiB and 64GiB"));
    Memory::of(bytes).ok_or_else(outside)
}

/// Reads a size such as `20MiB` or `512 KiB`.
pub(super) fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let shift = match text[digits.len()..].trim() {
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

fn checksum(options: &Options) -> Result<Checksum, Wrong> {
    match options.text("backup_checksum").map(str::trim) {
        None | Some("auto") => Ok(Checksum::Auto),
        Some("crc64nvme") => Ok(Checksum::Crc64Nvme),
        Some("crc32c") => Ok(Checksum::Crc32c),
        Some("md5") => Ok(Checksum::ContentMd5),
        Some("none") => Ok(Checksum::None),
        Some(other) => Err(Wrong {
            option: "backup_checksum",
            problem: format!("{other:?} is none of auto, crc64nvme, crc32c, md5 and none"),
        }),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn read(options: &str) -> Result<Limits, Failure> {
        let options: std::collections::BTreeMap<_, _> = serde_json::from_str(options).unwrap();
        limits("synapse", &Options::from(options))
    }

    #[test]
    fn without_options_and_with_their_defaults_the_limits_are_the_usual_ones() {
        assert_eq!(read("{}").unwrap(), Limits::default());
        let defaults = r#"{"backup_stall_seconds":60,"backup_upload_limit":"","backup_download_limit":"","backup_parallelism":3,"backup_memory":"128MiB","backup_checksum":"auto"}"#;
        assert_eq!(read(defaults).unwrap(), Limits::default());
    }

    #[test]
    fn each_option_sets_its_limit() {
        let options = r#"{"backup_stall_seconds":5,"backup_upload_limit":"20MiB","backup_download_limit":"512 KiB/s","backup_parallelism":1,"backup_memory":"1 GiB","backup_checksum":"md5"}"#;
        let limits = read(options).unwrap();
        assert_eq!(limits.silence, Duration::from_secs(5));
        assert_eq!(limits.upload_rate.unwrap().get(), 20 << 20);
        assert_eq!(limits.download_rate.unwrap().get(), 512 << 10);
        assert_eq!(limits.in_flight.get(), 1);
        assert_eq!(limits.memory.bytes(), 1 << 30);
        assert_eq!(limits.checksum, Checksum::ContentMd5);
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let options = r#"{"backup_stall_seconds":0,"backup_upload_limit":"20MB","backup_download_limit":"1KiB","backup_parallelism":33,"backup_memory":"32MiB","backup_checksum":"sha1"}"#;
        let told = read(options).unwrap_err().to_string();
        let told = told
            .replace(". Backup", ".\nBackup")
            .replace(". backup", ".\nbackup");
        insta::assert_snapshot!(told, @r#"
        backup_stall_seconds: 0 is not between 1 and 3600. Correct it: juju config synapse backup_stall_seconds=...
        backup_parallelism: 33 is not between 1 and 32. Correct it: juju config synapse backup_parallelism=...
        backup_memory: "32MiB" is not between 80MiB and 64GiB. Correct it: juju config synapse backup_memory=...
        backup_upload_limit: "20MB" is no size per second; write one such as 20MiB or 512KiB. Correct it: juju config synapse backup_upload_limit=...
        backup_download_limit: "1KiB" is less than 64KiB. Correct it: juju config synapse backup_download_limit=...
        backup_checksum: "sha1" is none of auto, crc64nvme, crc32c, md5 and none. Correct it: juju config synapse backup_checksum=...
        "#);
        for text in ["-1MiB", "MiB", "20", "99999999999GiB"] {
            assert!(
                read(&format!(r#"{{"backup_upload_limit":"{text}"}}"#)).is_err(),
                "{text}"
            );
        }
        for text in ["128", "128MB", "79MiB", "65GiB", "99999999999GiB"] {
            assert!(
                read(&format!(r#"{{"backup_memory":"{text}"}}"#)).is_err(),
                "{text}"
            );
        }
    }
}
