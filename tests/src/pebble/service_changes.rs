//! Changes of services: which tasks they have, in which order, and how each is done.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::plan::Lanes;
use super::reply::{self, Refusal, Reply};
use super::request::Object;
use super::server::Server;
use super::services::Asked;

/// One task: what it does with which service.
#[derive(Clone)]
struct Step {
    task: String,
    verb: Verb,
    service: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Start,
    Stop,
}

impl Verb {
    fn kind(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
        }
    }

    fn summary(self, service: &str) -> String {
        match self {
            Self::Start => format!("Start service {service:?}"),
            Self::Stop => format!("Stop service {service:?}"),
        }
    }
}

impl Server {
    /// Answers `POST /v1/services`.
    pub(crate) fn post_services(self: &Arc<Self>, request: &Object) -> Result<Reply, Refusal> {
        let wrong =
            |error: String| Refusal::bad(format!("cannot decode data from request body: {error}"));
        let action: String = request.field("action").map_err(wrong)?;
        let mut names: Vec<String> = request.field("services").map_err(wrong)?;
        let plan = self.plan();
        match action.as_str() {
            "replan" | "autostart" if !names.is_empty() => {
                return Err(Refusal::bad(format!("{action} accepts no service names")));
            }
            "replan" => {}
            "autostart" => {
                names = plan
                    .services
                    .iter()
                    .filter(|(_, service)| service.is_enabled())
                    .map(|(name, _)| name.clone())
                    .collect();
                if names.is_empty() {
                    return Err(
                        Refusal::bad("no default services").with_kind("no-default-services")
                    );
                }
            }
            _ if names.is_empty() => {
                return Err(Refusal::bad(format!(
                    "must specify services for {action} action"
                )));
            }
            _ => {}
        }
        let cannot = |error: String| Refusal::bad(format!("cannot {action} services: {error}"));
        let (stops, starts) = match action.as_str() {
            "start" | "autostart" => (Lanes::new(), plan.start_order(&names).map_err(cannot)?),
            "stop" => (plan.stop_order(&names).map_err(cannot)?, Lanes::new()),
            "restart" => {
                let mut stops = plan.stop_order(&names).map_err(cannot)?;
                stops
                    .iter_mut()
                    .for_each(|lane| lane.retain(|name| names.contains(name)));
                (stops, plan.start_order(&names).map_err(cannot)?)
            }
            "replan" => {
                self.checks.replan(&plan);
                self.services.replan(&plan).map_err(cannot)?
            }
            _ => return Err(Refusal::bad(format!("invalid action {action:?}"))),
        };
        let last = if action == "stop" { &stops } else { &starts };
        let mut all: Vec<String> = last.iter().flatten().cloned().collect();
        if action == "replan" {
            all.extend(stops.iter().flatten().cloned());
            all.sort();
            all.dedup();
            names.clone_from(&all);
        }
        let change = self.begin_services(&action, &names, all.len(), &stops, &starts);
        Ok(reply::accepted(&change, Value::Null))
    }

    /// Starts what is enabled, as a daemon does that was not told to hold.
    pub(crate) fn autostart(self: &Arc<Self>) {
        let plan = self.plan();
        let enabled = plan
            .services
            .iter()
            .filter(|(_, service)| service.is_enabled());
        let names: Vec<String> = enabled.map(|(name, _)| name.clone()).collect();
        if let (false, Ok(starts)) = (names.is_empty(), plan.start_order(&names)) {
            self.begin_services(
                "autostart",
                &names,
                starts.iter().flatten().count(),
                &Lanes::new(),
                &starts,
            );
        }
    }

    fn begin_services(
        self: &Arc<Self>,
        action: &str,
        names: &[String],
        count: usize,
        stops: &Lanes,
        starts: &Lanes,
    ) -> String {
        let mut letters = action.chars();
        let title: String = letters
            .next()
            .into_iter()
            .flat_map(char::to_uppercase)
            .chain(letters)
            .collect();
        let summary = match (names.first(), count) {
            (None, _) | (_, 0) => format!("{title} - no services"),
            (Some(name), 1) => format!("{title} service {name:?}"),
            (Some(name), count) => format!("{title} service {name:?} and {} more", count - 1),
        };
        let verbs = [(Verb::Stop, stops), (Verb::Start, starts)];
        let steps = verbs
            .iter()
            .flat_map(|(verb, lanes)| lanes.iter().flatten().map(|name| (*verb, name)));
        let tasks: Vec<(&str, String)> = steps
            .map(|(verb, name)| (verb.kind(), verb.summary(name)))
            .collect();
        let (change, tasks) = self.changes.begin(action, &summary, names, &tasks);
        let mut tasks = tasks.into_iter();
        let [stops, starts] = verbs.map(|(verb, lanes)| {
            let lane = |lane: &Vec<String>| -> Vec<Step> {
                lane.iter()
                    .zip(&mut tasks)
                    .map(|(name, task)| Step {
                        task,
                        verb,
                        service: name.clone(),
                    })
                    .collect()
            };
            lanes.iter().map(lane).collect::<Vec<_>>()
        });
        let server = Arc::clone(self);
        tokio::spawn(async move {
            let stopped = server.take_lanes(stops).await;
            if stopped {
                server.take_lanes(starts).await;
            } else {
                starts
                    .iter()
                    .flatten()
                    .for_each(|step| server.changes.hold(&step.task));
            }
        });
        change
    }

    /// Does the steps of each lane one after the other; whether all went well.
    async fn take_lanes(self: &Arc<Self>, lanes: Vec<Vec<Step>>) -> bool {
        let mut going = JoinSet::new();
        for lane in lanes {
            let server = Arc::clone(self);
            going.spawn(async move {
                let mut well = true;
                for step in lane {
                    if well {
                        well = server.take(&step).await;
                    } else {
                        server.changes.hold(&step.task);
                    }
                }
                well
            });
        }
        let mut well = true;
        while let Some(lane) = going.join_next().await {
            well &= lane.unwrap_or(false);
        }
        well
    }

    async fn take(self: &Arc<Self>, step: &Step) -> bool {
        let Some(abort) = self.changes.start(&step.task) else {
            return false;
        };
        let result = match step.verb {
            Verb::Start => self.start_service(step, abort).await,
            Verb::Stop => self.stop_service(step).await,
        };
        let well = result.is_ok();
        self.changes.finish(&step.task, result);
        well
    }

    async fn start_service(
        self: &Arc<Self>,
        step: &Step,
        mut abort: watch::Receiver<bool>,
    ) -> Result<(), String> {
        let name = &step.service;
        let config = self.plan().services.get(name).cloned();
        let config = config.ok_or_else(|| format!("cannot find service {name:?} in plan"))?;
        let told = match self.services.start(name, &config)? {
            Asked::Nothing(why) => {
                self.changes.log(&step.task, &why);
                return Ok(());
            }
            Asked::Underway(told) => told,
        };
        // Cancel safe: an abort ends the waiting, and nobody else listens for the start.
        let result = tokio::select! {
            result = told => result.unwrap_or_else(|_| Err("the service was given up".to_owned())),
            _ = abort.wait_for(|aborted| *aborted) => {
                self.services.abort_start(name);
                return Err("start aborted, sent SIGKILL to process".to_owned());
            }
        };
        result.map_err(|error| {
            let output = self.services.last_output(name);
            self.changes.log(
                &step.task,
                &format!("Most recent service output:\n{output}"),
            );
            format!("service start attempt: {error}")
        })
    }

    async fn stop_service(&self, step: &Step) -> Result<(), String> {
        match self.services.stop(&step.service) {
            Asked::Nothing(why) => {
                self.changes.log(&step.task, &why);
                Ok(())
            }
            Asked::Underway(told) => {
                let result = told
                    .await
                    .unwrap_or_else(|_| Err("the service was given up".to_owned()));
                result.map_err(|error| format!("cannot stop service: {error}"))
            }
        }
    }
}
