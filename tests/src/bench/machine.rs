//! The machine's facts, without which no number means anything.

use std::fs;
use std::process::Command;

/// One line: cores, processor, memory, load, kernel.
pub(super) fn facts() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpu =
        field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let memory = field("/proc/meminfo", "MemTotal").unwrap_or_default();
    let kib: f64 = memory
        .trim_end_matches("kB")
        .trim()
        .parse()
        .unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{cores} cores of {cpu}, {:.0} GiB of memory, Linux {}",
        kib / 1024.0 / 1024.0,
        kernel.trim()
    )
}

/// The load of the last minute, five, and fifteen.
pub(super) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace()
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The first line of what a program says of its version.
pub(super) fn version(program: &str) -> String {
    let output = Command::new(program).arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.unwrap_or_default()
        .lines()
        .next()
        .unwrap_or(program)
        .to_owned()
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
