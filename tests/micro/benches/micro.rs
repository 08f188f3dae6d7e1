//! The hot loops by divan: `make bench-micro`.

use std::io;
use std::sync::LazyLock;

use divan::Bencher;
use divan::counter::BytesCount;
use synapse_operator_micro::loops;
use synapse_operator_micro::workload::Workload;

const BYTES: usize = 64 << 20;

static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| loops::noise(BYTES));

fn main() {
    divan::main();
}

#[divan::bench(sample_count = 10)]
fn bare_sha1(bencher: Bencher<'_, '_>) {
    bencher
        .counter(BytesCount::new(BYTES))
        .bench(|| loops::sha1(&NOISE));
}

#[divan::bench(sample_count = 10)]
fn bare_sha1_then_aes256_cfb(bencher: Bencher<'_, '_>) {
    let mut data = NOISE.clone();
    bencher
        .counter(BytesCount::new(BYTES))
        .bench_local(|| loops::both(&mut data));
}

#[divan::bench(sample_count = 10, args = [16 << 10, 256 << 10])]
fn sha1_and_aes256_cfb_on_two_threads(bencher: Bencher<'_, '_>, step: usize) {
    bencher
        .counter(BytesCount::new(BYTES))
        .bench(|| loops::apart(&NOISE, step).is_ok());
}

/// With the derivation of the key, as every message has it.
#[divan::bench(sample_count = 10)]
fn seal(bencher: Bencher<'_, '_>) {
    bencher
        .counter(BytesCount::new(BYTES))
        .bench(|| loops::seal_into(io::sink(), &NOISE).is_ok());
}

/// The same bytes as two messages on a thread each.
#[divan::bench(sample_count = 10)]
fn seal_two_at_once(bencher: Bencher<'_, '_>) {
    bencher
        .counter(BytesCount::new(BYTES))
        .bench(|| loops::seal_two(&NOISE).is_ok());
}

/// What the Python charm's objects take besides: of media, which cannot be compressed, and of prose.
#[divan::bench(sample_count = 10, args = ["media", "prose"])]
fn inflate(bencher: Bencher<'_, '_>, what: &str) {
    let data = match what {
        "media" => NOISE.clone(),
        _ => loops::prose(BYTES),
    };
    let deflated = loops::deflated(&data).unwrap_or_default();
    bencher
        .counter(BytesCount::new(BYTES))
        .bench(|| loops::inflate(&deflated).is_ok());
}

/// With the derivation of the key, as every message has it.
#[divan::bench(sample_count = 10)]
fn open(bencher: Bencher<'_, '_>) {
    let message: &'static [u8] = loops::sealed(&NOISE).unwrap_or_default().leak();
    bencher
        .counter(BytesCount::new(BYTES))
        .bench(|| loops::open_all(message).is_ok());
}

#[divan::bench(sample_count = 10)]
fn archive_reader(bencher: Bencher<'_, '_>) {
    let stream = loops::archived(&NOISE).unwrap_or_default();
    bencher
        .counter(BytesCount::new(BYTES))
        .bench(|| loops::archive(&stream).is_ok());
}

#[divan::bench(sample_count = 10)]
fn pipe(bencher: Bencher<'_, '_>) {
    bencher
        .counter(BytesCount::new(BYTES))
        .bench(|| loops::pipe(&NOISE).is_ok());
}

/// Over the websocket of a real Pebble, whose own work it is above all.
#[divan::bench(sample_count = 10)]
fn websocket(bencher: Bencher<'_, '_>) {
    match Workload::start() {
        Ok(workload) => bencher
            .counter(BytesCount::new(BYTES))
            .bench_local(|| workload.receive(BYTES as u64).is_ok()),
        Err(error) => eprintln!("not measured: {error:#}"),
    }
}
