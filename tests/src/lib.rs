//! The test house: a simulated Juju agent and pod, a Pebble stand-in, S3 servers, and a Matrix client.
//!
//! It knows Juju, Pebble, S3, Kubernetes and Matrix, and does not know our charm, except to start it.

pub mod bench;
pub mod charm_archive;
pub mod deadline;
pub mod demo;
pub mod forge;
pub mod juju;
pub mod limit;
pub mod load;
pub mod matrix;
pub mod ordeal;
pub mod parts;
pub mod pebble;
pub mod pod;
pub mod postgres;
pub mod python_charm;
pub mod s3;
pub mod small_volume;
pub mod trap;
pub mod world;
