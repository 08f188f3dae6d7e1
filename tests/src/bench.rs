//! Measures what the packed charm costs, in time and memory, beside what an operator would do by hand. Prints, never asserts.
//!
//! What is measured is the release build in the archive, as the simulated agent starts it. The house around it (agent,
//! hook tools, and this program) is a debug build, and says so where it counts. The S3 server is versitygw.
//!
//! ```text
//! agent (here) > stopwatch > ... becomes dispatch      wall, CPU, peak memory of one process, told at its end
//! ```

mod bed;
mod machine;
mod media;
mod messages;
mod peer;
mod process;
mod proofs;
mod report;
mod restores;
mod run;
mod stopwatch;
mod watch;

pub use run::{Sizes, run, run_proofs, run_restores};
pub use stopwatch::stand_between;
