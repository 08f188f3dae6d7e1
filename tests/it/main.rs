//! The suite: one binary, one module a subject.

mod agent;
mod charm_archive;
mod dispatch;
mod floors;
mod gnu_tar;
mod hook_tools;
mod juju_cli;
mod kills;
mod lease;
mod listing;
mod openpgp;
mod pebble_client;
mod pebble_stand_in;
mod pod;
mod refusals;
mod s3;
mod secrets;
mod staging;
mod story;
