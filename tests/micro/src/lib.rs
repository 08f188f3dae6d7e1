//! The hot loops of a backup, each alone: what `make bench-micro` measures, and `hot` runs for whoever counts.

pub mod loops;
pub mod workload;
