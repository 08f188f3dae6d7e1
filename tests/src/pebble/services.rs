//! All services: they are started, judged after a second, restarted when they end, and stopped with their groups.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};

use super::guarded::Guarded;
use super::layer::Service;
use super::log::say;
use super::logs::Logs;
use super::plan::{Lanes, Plan};
use super::service::{Life, State};

/// How long a service must run to count as started.
const OKAY: Duration = Duration::from_secs(1);
/// How long after SIGKILL a process may live on before it is given up.
const FAIL: Duration = Duration::from_secs(5);

/// The services of a daemon.
pub(crate) struct Services {
    pub(crate) lives: Guarded<BTreeMap<String, Life>>,
    pub(crate) logs: Arc<Logs>,
    /// Becomes true when a service's end is to be the daemon's.
    pub(crate) shutdown: watch::Sender<bool>,
}

/// What came of asking for a start or a stop.
pub(crate) enum Asked {
    /// There was nothing to do, and why.
    Nothing(String),
    /// It is on its way; this tells how it ends.
    Underway(oneshot::Receiver<Result<(), String>>),
}

impl Services {
    pub(crate) fn new(logs: Arc<Logs>) -> Arc<Self> {
        Arc::new(Self {
            lives: Guarded::default(),
            logs,
            shutdown: watch::Sender::new(false),
        })
    }

    /// Says when a service's end is to be the daemon's.
    pub(crate) fn shutdown(&self) -> watch::Receiver<bool> {
        self.shutdown.subscribe()
    }

    /// The services of a plan as the API lists them.
    pub(crate) fn list(&self, plan: &Plan, names: &[String]) -> Vec<Value> {
        let lives = self.lives.lock();
        let chosen = plan
            .services
            .iter()
            .filter(|(name, _)| names.is_empty() || names.contains(name));
        let show = |(name, service): (&String, &Service)| {
            let startup = if service.is_enabled() {
                "enabled"
            } else {
                "disabled"
            };
            let life = lives.get(name);
            let current = life.map_or("inactive", |life| life.state().status());
            let mut shown = json!({"name": name, "startup": startup, "current": current});
            if let Some(since) = life.and_then(Life::since) {
                shown["current-since"] = json!(since);
            }
            shown
        };
        chosen.map(show).collect()
    }

    /// Starts a service as the plan has it.
    pub(crate) fn start(self: &Arc<Self>, name: &str, config: &Service) -> Result<Asked, String> {
        let mut lives = self.lives.lock();
        let life = lives
            .entry(name.to_owned())
            .or_insert_with(|| Life::new(config.clone()));
        life.config = config.clone();
        match life.state() {
            State::Starting | State::Running => {
                return Ok(Asked::Nothing(format!("Service {name:?} already started.")));
            }
            State::Terminating => return Err("cannot start service while terminating".to_owned()),
            State::Killing => return Err("cannot start service while killing".to_owned()),
            State::Initial | State::Backoff | State::Stopped | State::Exited => {}
        }
        life.forget_backoff();
        life.become_(State::Initial);
        if let Err(error) = self.launch(name, life) {
            life.become_(State::Stopped);
            return Err(error);
        }
        let (teller, told) = oneshot::channel();
        life.started = Some(teller);
        let turn = life.become_(State::Starting);
        self.later(name, OKAY, move |_, _, life| {
            if life.is_still(State::Starting, turn) {
                life.tell_started(Ok(()));
                life.become_(State::Running);
            }
        });
        Ok(Asked::Underway(told))
    }

    /// Gives up a start that is under way.
    pub(crate) fn abort_start(&self, name: &str) {
        if let Some(life) = self.lives.lock().get_mut(name) {
            life.become_(State::Stopped);
            life.signal_group(Signal::KILL);
        }
    }

    /// The last lines that a service printed, set in.
    pub(crate) fn last_output(&self, name: &str) -> String {
        let lines = self.logs.last(&[name.to_owned()], Some(20));
        let lines: Vec<String> = lines
            .into_iter()
            .map(|line| format!("    {}", line.text))
            .collect();
        if lines.is_empty() {
            "    ".to_owned()
        } else {
            lines.join("\n")
        }
    }

    /// Stops a service.
    pub(crate) fn stop(self: &Arc<Self>, name: &str) -> Asked {
        let mut lives = self.lives.lock();
        let Some(life) = lives.get_mut(name) else {
            return Asked::Nothing(format!("Service {name:?} has never been started."));
        };
        let (teller, told) = oneshot::channel();
        match life.state() {
            State::Initial | State::Starting | State::Running => {
                life.tell_started(Err("stopped before the 1s okay delay".to_owned()));
                life.stopped = Some(teller);
                life.restarting = false;
                self.terminate(name, life);
            }
            State::Backoff => {
                life.become_(State::Stopped);
                let _heard = teller.send(Ok(()));
            }
            State::Terminating | State::Killing => {
                return Asked::Nothing(format!("Service {name:?} already stopping."));
            }
            State::Stopped => return Asked::Nothing(format!("Service {name:?} already stopped.")),
            State::Exited => {
                life.become_(State::Stopped);
                return Asked::Nothing(format!("Service {name:?} had already exited."));
            }
        }
        Asked::Underway(told)
    }

    /// SIGTERM to the group, SIGKILL after the kill delay, and in the end giving up.
    fn terminate(self: &Arc<Self>, name: &str, life: &mut Life) {
        life.signal_group(Signal::TERM);
        let turn = life.become_(State::Terminating);
        self.later(
            name,
            life.config.kill_delay().as_duration(),
            move |services, name, life| {
                if !life.is_still(State::Terminating, turn) {
                    return;
                }
                life.signal_group(Signal::KILL);
                let turn = life.become_(State::Killing);
                services.later(name, FAIL, move |_, name, life| {
                    if life.is_still(State::Killing, turn) {
                        say(&format!(
                            "Service {name:?} still running after SIGTERM and SIGKILL"
                        ));
                        life.tell_stopped(Err(
                            "process still running after SIGTERM and SIGKILL".to_owned()
                        ));
                        life.become_(State::Stopped);
                    }
                });
            },
        );
    }

    /// Sends a signal to services; the error names each that did not get it.
    pub(crate) fn signal(&self, names: &[String], signal: &str) -> Result<(), String> {
        let lives = self.lives.lock();
        let send = |name: &String| match lives.get(name) {
            Some(life) => life.signal(signal).err(),
            None => Some("service is not running".to_owned()),
        };
        let failed = names
            .iter()
            .filter_map(|name| Some(format!("cannot send signal to {name:?}: {}", send(name)?)));
        let failed: Vec<String> = failed.collect();
        if failed.is_empty() {
            Ok(())
        } else {
            Err(failed.join("; "))
        }
    }

    /// What a plan's changes ask for: the services to stop and those to start.
    pub(crate) fn replan(&self, plan: &Plan) -> Result<(Lanes, Lanes), String> {
        let mut lives = self.lives.lock();
        let mut changed = Vec::new();
        for (name, life) in lives.iter_mut() {
            if let Some(config) = plan
                .services
                .get(name)
                .filter(|config| **config != life.config)
            {
                life.config = config.clone();
                changed.push(name.clone());
            }
        }
        let wanted = plan
            .services
            .iter()
            .filter(|(name, service)| service.is_enabled() || changed.contains(name));
        let wanted: Vec<String> = wanted.map(|(name, _)| name.clone()).collect();
        Ok((plan.stop_order(&changed)?, plan.start_order(&wanted)?))
    }

    /// Does what services want done when a check is down.
    pub(crate) fn check_failed(self: &Arc<Self>, check: &str) {
        let mut lives = self.lives.lock();
        for (name, life) in lives.iter_mut() {
            match (
                life.config.on_check_failure.get(check).map(String::as_str),
                life.state(),
            ) {
                (Some("restart"), State::Running) => {
                    say(&format!(
                        "Service {name:?} is restarted, as check {check:?} is down"
                    ));
                    life.restarting = true;
                    self.terminate(name, life);
                }
                (Some("restart"), State::Exited) => self.back_off(name, life),
                (Some("shutdown" | "success-shutdown" | "failure-shutdown"), _) => {
                    let _before = self.shutdown.send_replace(true);
                }
                _ => {}
            }
        }
    }

    /// The services that run or soon will, in lanes to stop them.
    pub(crate) fn running(&self, plan: &Plan) -> Lanes {
        let lives = self.lives.lock();
        let runs = |name: &String| {
            let state = lives.get(name).map(Life::state);
            matches!(
                state,
                Some(State::Starting | State::Running | State::Backoff)
            )
        };
        let names: Vec<String> = lives.keys().filter(|name| runs(name)).cloned().collect();
        let lanes = plan
            .stop_order(&names)
            .unwrap_or_else(|_| vec![names.clone()]);
        lanes
            .into_iter()
            .map(|lane| lane.into_iter().filter(runs).collect())
            .collect()
    }
}
