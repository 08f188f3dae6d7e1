//! The suite: one binary, one module a subject.

mod agent;
mod charm_archive;
mod damage;
mod dispatch;
mod floors;
mod hook_tools;
mod hostile;
mod juju_cli;
mod kills;
mod listing;
mod openpgp;
mod ordeal;
mod pebble_client;
mod pebble_stand_in;
mod pod;
mod refusals;
mod s3;
mod secrets;
mod story;
mod traps;
