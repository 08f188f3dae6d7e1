//! The suite: one binary, one module a subject.

mod agent;
mod charm_archive;
mod damage;
mod dispatch;
mod fixups;
mod floors;
mod gnu_tar;
mod hook_tools;
mod hostile;
mod juju_cli;
mod kills;
mod lease;
mod listing;
mod openpgp;
mod ordeal;
mod pebble_client;
mod pebble_stand_in;
mod pod;
mod refusals;
mod restore;
mod s3;
mod secrets;
mod staging;
mod story;
mod traps;
mod two_units;
