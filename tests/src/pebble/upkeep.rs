//! How services are kept up: launched, attended to their end, and launched again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::unix::pipe;

use super::log::say;
use super::process::{Process, Program, Streams, sentence};
use super::service::{Life, State};
use super::services::Services;
use super::{environment, users, words};

impl Services {
    pub(crate) fn launch(self: &Arc<Self>, name: &str, life: &mut Life) -> Result<(), String> {
        let config = &life.config;
        let mut own = environment::own();
        let owner = config.whom().resolve()?;
        let mut more = config.environment.clone();
        if let Some(user) = owner.and_then(|owner| users::by_id(owner.user_id)) {
            more.entry("HOME".to_owned()).or_insert(user.home);
            more.entry("USER".to_owned()).or_insert(user.name);
        }
        own.append(&mut more);
        let program = Program {
            arguments: words::split_service(config.command.as_deref().unwrap_or_default())?,
            environment: own,
            directory: config.working_dir.as_ref().map(PathBuf::from),
            owner,
            session: false,
        };
        let cannot = |error: String| format!("cannot start service: {error}");
        let (output, stdout) = std::io::pipe().map_err(|error| cannot(sentence(&error)))?;
        let stderr = stdout
            .try_clone()
            .map_err(|error| cannot(sentence(&error)))?;
        let output = pipe::Receiver::from_owned_fd(output.into())
            .map_err(|error| cannot(sentence(&error)))?;
        let process = program
            .start(Streams {
                stdin: None,
                stdout,
                stderr,
            })
            .map_err(cannot)?;
        say(&format!(
            "Service {name:?} started as process {}",
            process.pid()
        ));
        life.process = Some(process.clone());
        let trusted = life.backoff_limit().as_duration();
        let patience = life.config.kill_delay().as_duration().mul_f64(0.9);
        let (services, name) = (Arc::clone(self), name.to_owned());
        tokio::spawn(async move {
            services
                .attend(&name, process, output, trusted, patience)
                .await
        });
        Ok(())
    }

    /// Stays with a process until it has ended and its output is taken in.
    async fn attend(
        self: &Arc<Self>,
        name: &str,
        mut process: Process,
        output: pipe::Receiver,
        trusted: Duration,
        patience: Duration,
    ) {
        let (logs, service) = (Arc::clone(&self.logs), name.to_owned());
        let mut pump = tokio::spawn(async move { logs.take_in(&service, output).await });
        let code = match tokio::time::timeout(trusted, process.ended()).await {
            Ok(code) => code,
            Err(_) => {
                if let Some(life) = self
                    .lives
                    .lock()
                    .get_mut(name)
                    .filter(|life| life.is(&process))
                {
                    life.forget_backoff();
                }
                process.ended().await
            }
        };
        // Whoever holds the output longer, in a group of its own, is no longer listened to.
        if tokio::time::timeout(patience, &mut pump).await.is_err() {
            pump.abort();
        }
        if let Some(life) = self
            .lives
            .lock()
            .get_mut(name)
            .filter(|life| life.is(&process))
        {
            self.ended(name, life, code);
        }
    }

    fn ended(self: &Arc<Self>, name: &str, life: &mut Life, code: i32) {
        match life.state() {
            State::Initial | State::Starting | State::Running => {
                let action = life.on_exit(code).to_owned();
                life.tell_started(Err(format!(
                    "exited quickly with code {code}, will {action}"
                )));
                say(&format!(
                    "Service {name:?} stopped unexpectedly with code {code}, will {action}"
                ));
                match action.as_str() {
                    "restart" => self.back_off(name, life),
                    "ignore" if code == 0 => drop(life.become_(State::Stopped)),
                    "ignore" => drop(life.become_(State::Exited)),
                    _ => {
                        life.become_(State::Exited);
                        self.shutdown.send_replace(true);
                    }
                }
            }
            State::Terminating | State::Killing if life.restarting => self.back_off(name, life),
            State::Terminating | State::Killing => {
                life.become_(State::Stopped);
                life.tell_stopped(Ok(()));
            }
            State::Stopped | State::Backoff | State::Exited => {}
        }
    }

    pub(crate) fn back_off(self: &Arc<Self>, name: &str, life: &mut Life) {
        let delay = life.next_backoff().as_duration();
        life.restarting = false;
        let turn = life.become_(State::Backoff);
        self.later(name, delay, move |services, name, life| {
            if life.is_still(State::Backoff, turn) {
                match services.launch(name, life) {
                    Ok(()) => drop(life.become_(State::Running)),
                    Err(error) => say(&format!("Service {name:?} cannot be restarted: {error}")),
                }
            }
        });
    }

    /// Does something with a service when that time is over.
    pub(crate) fn later(
        self: &Arc<Self>,
        name: &str,
        delay: Duration,
        then: impl FnOnce(&Arc<Self>, &str, &mut Life) + Send + 'static,
    ) {
        let (services, name) = (Arc::clone(self), name.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            if let Some(life) = services.lives.lock().get_mut(&name) {
                then(&services, &name, life);
            }
        });
    }
}
