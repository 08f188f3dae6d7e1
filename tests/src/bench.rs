//! Measures what the packed charm costs beside what an operator would do instead, proves each result, and writes the page.
//!
//! What is measured is the release build in the archive, as the simulated agent starts it. The house around it (agent,
//! hook tools, S3 server, and this program) is built with optimisation when `make bench` builds it.
//!
//! ```text
//! settings > data set > lab: ours, peer, restic, in turns > outcome > goals, page, charts
//!                         agent (here) > stopwatch > ... becomes dispatch      wall, CPU, peak memory, told at its end
//! ```

mod bed;
mod chart;
mod data_set;
mod goals;
mod group;
mod hooks;
mod kernels;
mod lab;
mod machine;
mod measured;
mod media;
mod noise;
mod outcome;
mod page;
mod peer;
mod process;
mod proofs;
mod report;
mod restic;
mod restores;
mod run;
mod servers;
mod settings;
mod stopwatch;
mod tree;
mod watch;

pub use proofs::run_proofs;
pub use restores::run_restores;
pub use run::run;
pub use settings::Settings;
pub use stopwatch::stand_between;
