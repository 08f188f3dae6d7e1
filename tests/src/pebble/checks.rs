//! Health checks: made again and again, counted, and answered for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::changes::Changes;
use super::guarded::Guarded;
use super::layer::Check;
use super::log::say;
use super::plan::Plan;
use super::probe::probe;
use super::services::Services;

type Refreshed = oneshot::Sender<Result<(), String>>;

/// The checks of a daemon.
pub(crate) struct Checks {
    list: Guarded<BTreeMap<String, Known>>,
    changes: Arc<Changes>,
    services: Arc<Services>,
}

/// What is known of one check.
struct Known {
    config: Check,
    watch: Option<Watch>,
    successes: u64,
    failures: u64,
    task: String,
    change: String,
}

/// A check that is being made.
struct Watch {
    loop_: JoinHandle<()>,
    refresh: mpsc::Sender<Refreshed>,
}

impl Checks {
    pub(crate) fn new(changes: Arc<Changes>, services: Arc<Services>) -> Arc<Self> {
        Arc::new(Self {
            list: Guarded::default(),
            changes,
            services,
        })
    }

    /// Takes up a plan: checks that are new or other than before begin, those that are gone end.
    pub(crate) fn replan(self: &Arc<Self>, plan: &Plan) {
        let mut list = self.list.lock();
        let gone: Vec<String> = list
            .keys()
            .filter(|name| !plan.checks.contains_key(*name))
            .cloned()
            .collect();
        for name in gone {
            if let Some(mut known) = list.remove(&name) {
                self.end(&mut known);
            }
        }
        for (name, check) in &plan.checks {
            let config = plan.complete_check(check);
            let known = list.get_mut(name);
            if known.as_ref().is_some_and(|known| {
                known.config == config && (known.watch.is_some() || !config.is_enabled())
            }) {
                continue;
            }
            if let Some(known) = known {
                self.end(known);
            }
            let enabled = config.is_enabled();
            let mut known = Known::new(config);
            if enabled {
                self.begin(name, &mut known);
            }
            list.insert(name.clone(), known);
        }
    }

    /// The checks of a level and of some names, as the API lists them.
    pub(crate) fn list(&self, level: &str, names: &[String]) -> Vec<Value> {
        let list = self.list.lock();
        let chosen = list.iter().filter(|(name, known)| {
            (level.is_empty() || known.level() == level)
                && (names.is_empty() || names.contains(name))
        });
        chosen.map(|(name, known)| known.to_json(name)).collect()
    }

    /// One check as the API shows it.
    pub(crate) fn show(&self, name: &str) -> Option<Value> {
        self.list.lock().get(name).map(|known| known.to_json(name))
    }

    /// Whether no check of that level and those names is down. Ready asks for alive as well.
    pub(crate) fn healthy(&self, level: &str, names: &[String]) -> bool {
        let list = self.list.lock();
        let counts = |known: &Known| match level {
            "" => true,
            "ready" => matches!(known.level(), "ready" | "alive"),
            level => known.level() == level,
        };
        let mut chosen = list
            .iter()
            .filter(|(name, known)| counts(known) && (names.is_empty() || names.contains(name)));
        chosen.all(|(_, known)| !known.is_down())
    }

    /// Starts or stops checks; those that were not so already, or the sentence that refuses.
    pub(crate) fn switch(
        self: &Arc<Self>,
        names: &[String],
        on: bool,
    ) -> Result<Vec<String>, String> {
        let mut list = self.list.lock();
        let unknown: BTreeSet<&str> = names
            .iter()
            .filter(|name| !list.contains_key(*name))
            .map(String::as_str)
            .collect();
        if !unknown.is_empty() {
            let unknown: Vec<&str> = unknown.into_iter().collect();
            return Err(format!(
                "cannot find checks in plan: {}",
                unknown.join(", ")
            ));
        }
        let mut changed = BTreeSet::new();
        for name in names {
            let Some(known) = list.get_mut(name) else {
                continue;
            };
            match (on, known.watch.is_some()) {
                (true, false) => {
                    *known = Known::new(known.config.clone());
                    self.begin(name, known);
                }
                (false, true) => self.end(known),
                (true, true) | (false, false) => continue,
            }
            changed.insert(name.clone());
        }
        Ok(changed.into_iter().collect())
    }

    /// Makes a check out of turn; none when there is no such check. One that is stopped is made without being counted.
    pub(crate) async fn refresh(&self, name: &str) -> Option<Result<(), String>> {
        let (config, refresh) = {
            let list = self.list.lock();
            let known = list.get(name)?;
            (
                known.config.clone(),
                known.watch.as_ref().map(|watch| watch.refresh.clone()),
            )
        };
        if let Some(refresh) = refresh {
            let (teller, told) = oneshot::channel();
            if refresh.send(teller).await.is_ok()
                && let Ok(result) = told.await
            {
                return Some(result);
            }
        }
        Some(probe(&config).await)
    }

    fn begin(self: &Arc<Self>, name: &str, known: &mut Known) {
        let (change, task) = self.phase("perform-check", name, &known.config);
        (known.change, known.task) = (change, task);
        let (refresh, asked) = mpsc::channel(1);
        let checks = Arc::clone(self);
        let (name, config) = (name.to_owned(), known.config.clone());
        let loop_ = tokio::spawn(async move { checks.watch(&name, &config, asked).await });
        known.watch = Some(Watch { loop_, refresh });
    }

    fn end(&self, known: &mut Known) {
        if let Some(watch) = known.watch.take() {
            watch.loop_.abort();
            self.changes.finish(&known.task, Ok(()));
        }
    }

    /// Begins the change that stands for making a check, or for making it until it is well again.
    fn phase(&self, kind: &str, name: &str, config: &Check) -> (String, String) {
        let verb = if kind == "perform-check" {
            "Perform"
        } else {
            "Recover"
        };
        let summary = format!("{verb} {} check {name:?}", config.kind());
        let (change, tasks) = self
            .changes
            .begin(kind, &summary, &[], &[(kind, summary.clone())]);
        let task = tasks.into_iter().next().unwrap_or_default();
        self.changes.start(&task);
        (change, task)
    }

    async fn watch(&self, name: &str, config: &Check, mut asked: mpsc::Receiver<Refreshed>) {
        let period = config.rhythm().period.as_duration();
        loop {
            // Cancel safe: a request that is not received stays in its queue.
            let teller = tokio::select! {
                () = tokio::time::sleep(period) => None,
                asked = asked.recv() => asked,
            };
            let result = probe(config).await;
            self.count(name, config, &result);
            if let Some(teller) = teller {
                let _nobody = teller.send(result);
            }
        }
    }

    fn count(&self, name: &str, config: &Check, result: &Result<(), String>) {
        let mut list = self.list.lock();
        let Some(known) = list.get_mut(name) else {
            return;
        };
        let threshold = config.rhythm().threshold;
        let was_down = known.is_down();
        match result {
            Ok(()) if was_down => {
                (known.successes, known.failures) = (1, 0);
                self.changes.finish(&known.task, Ok(()));
                (known.change, known.task) = self.phase("perform-check", name, config);
            }
            Ok(()) => {
                known.successes += 1;
                let failures = std::mem::take(&mut known.failures);
                if failures > 0 {
                    let noun = if failures == 1 { "failure" } else { "failures" };
                    self.changes
                        .log(&known.task, &format!("succeeded after {failures} {noun}"));
                }
            }
            Err(error) => {
                known.failures += 1;
                if !was_down && known.failures >= threshold {
                    say(&format!("Check {name:?} is down: {error}"));
                    self.changes.finish(&known.task, Err(error.clone()));
                    (known.change, known.task) = self.phase("recover-check", name, config);
                    drop(list);
                    self.services.check_failed(name);
                } else {
                    self.changes.log_error(&known.task, error);
                }
            }
        }
    }
}

impl Known {
    fn new(config: Check) -> Self {
        Self {
            config,
            watch: None,
            successes: 0,
            failures: 0,
            task: String::new(),
            change: String::new(),
        }
    }

    fn level(&self) -> &str {
        self.config.level.as_deref().unwrap_or_default()
    }

    fn is_down(&self) -> bool {
        self.watch.is_some() && self.failures >= self.config.rhythm().threshold
    }

    fn to_json(&self, name: &str) -> Value {
        let status = match (self.watch.is_some(), self.is_down()) {
            (false, _) => "inactive",
            (true, true) => "down",
            (true, false) => "up",
        };
        let mut shown = json!({
            "name": name,
            "startup": if self.config.is_enabled() { "enabled" } else { "disabled" },
            "status": status,
            "successes": self.successes,
            "threshold": self.config.rhythm().threshold,
        });
        if !self.level().is_empty() {
            shown["level"] = json!(self.level());
        }
        if self.failures > 0 {
            shown["failures"] = json!(self.failures);
        }
        if self.watch.is_some() {
            shown["change-id"] = json!(self.change);
        }
        shown
    }
}
