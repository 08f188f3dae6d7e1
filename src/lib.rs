//! The map of the house: which rooms there are, floor by floor.
//!
//! One program, `dispatch`, is started by Juju's unit agent for every hook and every action. Floor 3 (`charm`) decides
//! and obeys; floor 2 (`backup`, `synapse`) holds the use cases; floor 1 speaks to the outside world. A room names only
//! rooms on floors below its own, and floor 1 rooms never name each other; a test holds this.

pub mod archive;
pub mod backup;
pub mod charm;
pub mod juju;
pub mod openpgp;
pub mod pebble;
pub mod s3;
pub mod synapse;
