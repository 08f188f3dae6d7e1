//! How fast the store is: the time of a small request, and the rates that a backup and a restore would have.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::Checkup;
use super::bench::Bench;
use super::check::{Remedy, Report, Verdict};
use super::rights::OBJECT;
use crate::s3::bucket::Bucket;
use crate::s3::error::S3Error;
use crate::s3::parts::PartPlan;
use crate::s3::upload::Upload;

/// How many small requests are timed.
const REQUESTS: usize = 9;
/// A request that takes longer is told.
const SLOW: Duration = Duration::from_millis(500);
/// What one direction may take.
const TRANSFER: Duration = Duration::from_secs(60);
const IN_FLIGHT: usize = 3;
const MIB: f64 = 1024.0 * 1024.0;
/// What is written at a time.
const PIECE: usize = 1 << 20;

/// Times small requests one after another.
pub(super) async fn latency(bench: &mut Bench, report: &mut Report) {
    let key = bench.traces.key(OBJECT);
    let mut times = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let call = bench.client.head_object().bucket(&bench.bucket).key(&key);
        let call = call.customize().config_override(bench.aside());
        let began = Instant::now();
        // A refusal takes its time as well.
        match call.send().await {
            Ok(_) => times.push(began.elapsed()),
            Err(error) if error.raw_response().is_some() => times.push(began.elapsed()),
            Err(_) => (),
        }
    }
    times.sort();
    let Some(median) = times.get(times.len() / 2).copied() else {
        report.warn("latency", "no small request was answered", Vec::new());
        return;
    };
    let longest = times.last().copied().unwrap_or(median);
    let ms = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1000.0);
    let what = format!(
        "{} ms in the middle, {} ms at most",
        ms(median),
        ms(longest)
    );
    match median > SLOW {
        false => report.pass("latency", what),
        true => {
            let repair = Remedy::advice("take a store that is nearer, or see what slows it down");
            report.warn("latency", what, vec![repair]);
        }
    }
}

/// Sends and fetches one object, as backups and restores do.
pub(super) async fn rates(checkup: &Checkup, bench: &mut Bench, report: &mut Report) {
    const NAMES: [&str; 2] = ["upload-rate", "download-rate"];
    let why = match (checkup.transfer, report.of("style")) {
        (None, _) => Some("not asked for (rate=false)"),
        (_, Some(Verdict::Fail)) => Some("the style is wrong"),
        _ if !report.is_well("multipart") => Some("no upload is possible"),
        _ => None,
    };
    let (Some(size), None) = (checkup.transfer, why) else {
        report.skip_all_but(why.unwrap_or_default(), &["left-behind"]);
        return;
    };
    let bucket = Bucket::open(&checkup.params, &checkup.proxy, checkup.limits);
    let full = bench.traces.key("rate");
    let key = bucket.relative(&full).to_owned();
    let sent = upload(&bucket, &key, size, checkup.random).await;
    let there = sent.as_ref().is_ok_and(|went| went.whole);
    tell(NAMES[0], sent, (bench, report));
    if !there {
        report.skip(NAMES[1], "there is no object to fetch");
        return;
    }
    if !report.is_well("get") {
        report.skip(NAMES[1], "reading is not allowed");
        return;
    }
    let fetched = download(&bucket, &key).await;
    tell(NAMES[1], fetched, (bench, report));
}

/// How much went in which time, and whether it was cut short.
struct Went {
    bytes: u64,
    time: Duration,
    whole: bool,
}

fn tell(name: &'static str, went: Result<Went, S3Error>, (bench, report): (&Bench, &mut Report)) {
    let went = match went {
        Ok(went) => went,
        Err(error) => {
            let what = bench.scene.cleared(&error.to_string());
            report.fail(name, what, vec![Remedy::of(&error)]);
            return;
        }
    };
    let (mib, seconds) = (went.bytes as f64 / MIB, went.time.as_secs_f64());
    let rate = mib / seconds.max(0.001);
    let what = format!("{rate:.1} MiB/s ({mib:.0} MiB in {seconds:.1} s)");
    match went.whole {
        true => report.pass(name, what),
        false => {
            let what = format!("{what}; the time for it was over");
            let repair = Remedy::advice("see what slows the way to the store down");
            report.warn(name, what, vec![repair]);
        }
    }
}

async fn upload(bucket: &Bucket, key: &str, size: u64, random: u64) -> Result<Went, S3Error> {
    let began = Instant::now();
    let mut upload = Upload::begin(bucket, key, bucket.memory().plan(size), IN_FLIGHT).await?;
    let mut noise = Noise(random | 1);
    let written = timeout(TRANSFER, async {
        let mut left = size;
        while left > 0 {
            let now = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            upload.write(&noise.piece()[..now]).await?;
            left -= now as u64;
        }
        Ok::<(), S3Error>(())
    })
    .await;
    match written {
        Ok(Ok(())) => {
            let bytes = upload.written();
            upload.complete().await?;
            Ok(Went {
                bytes,
                time: began.elapsed(),
                whole: true,
            })
        }
        Ok(Err(error)) => {
            let _ = upload.abort().await;
            Err(error)
        }
        Err(_) => {
            // What is in memory has not gone yet.
            let waiting = PartPlan::DEFAULT * (IN_FLIGHT as u64 + 1);
            let bytes = upload.written().saturating_sub(waiting);
            let time = began.elapsed();
            let _ = upload.abort().await;
            Ok(Went {
                bytes,
                time,
                whole: false,
            })
        }
    }
}

async fn download(bucket: &Bucket, key: &str) -> Result<Went, S3Error> {
    let began = Instant::now();
    let mut fetch = bucket.fetch(key).await?;
    let mut bytes = 0;
    let read = timeout(TRANSFER, async {
        while let Some(chunk) = fetch.chunk().await? {
            bytes += chunk.len() as u64;
        }
        Ok::<(), S3Error>(())
    })
    .await;
    let whole = match read {
        Ok(Ok(())) => true,
        Ok(Err(error)) => return Err(error),
        Err(_) => false,
    };
    Ok(Went {
        bytes,
        time: began.elapsed(),
        whole,
    })
}

/// Bytes that cannot be pressed together.
struct Noise(u64);

impl Noise {
    fn piece(&mut self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(PIECE);
        while bytes.len() < PIECE {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            bytes.extend_from_slice(&self.0.to_le_bytes());
        }
        bytes
    }
}
