//! A simulated Juju: the unit agent with its hook tools, a model kept in a directory, and a `juju` look-alike.
//!
//! The harness and the demo start the packed charm through these rooms, as a real unit agent would.
//! They know Juju and nothing of our charm. The behaviours are those of Juju 3.6 and 4.0, as recorded
//! in `tests/golden/jujuc`; what the charm does not use is refused loudly instead of being guessed.
//!
//! ```text
//! cli  -> model, charm, agent      a command a user types
//! agent -> context, tools, socket  one hook or action of one unit
//! tools -> context, value, yaml    what a hook tool answers
//! ```

pub mod agent;
pub mod charm;
pub mod cli;
pub mod context;
pub mod controller;
pub mod environment;
pub mod flags;
pub mod integrator;
pub mod launcher;
pub mod model;
pub mod port;
pub mod postgresql;
pub mod site;
pub mod socket;
pub mod tools;
pub mod unit;
pub mod value;
pub mod yaml;
