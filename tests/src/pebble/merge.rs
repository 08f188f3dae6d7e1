//! How one layer is laid over another.

use std::collections::BTreeMap;

use super::layer::{Check, ExecCheck, HttpCheck, Layer, LogTarget, Service, TcpCheck};

/// What may be merged into an entry of the same name in a lower layer.
trait Entry: Clone {
    const NOUN: &'static str;
    fn mode(&self) -> &Option<String>;
    fn merge(&mut self, over: &Self);
}

/// Lays layers over each other, the last on top.
pub(crate) fn combine(layers: &[&Layer]) -> Result<Layer, String> {
    let mut combined = Layer::default();
    for layer in layers {
        lay_over(&mut combined.services, &layer.services, &layer.label)?;
        lay_over(&mut combined.checks, &layer.checks, &layer.label)?;
        lay_over(&mut combined.log_targets, &layer.log_targets, &layer.label)?;
    }
    Ok(combined)
}

/// Fills in what a check of the plan shows though nobody said it.
pub(crate) fn fill_in(check: &mut Check) {
    let rhythm = check.rhythm();
    check.threshold = Some(rhythm.threshold);
    if check.timeout.is_some() {
        check.timeout = Some(rhythm.timeout);
    }
}

fn lay_over<T: Entry>(
    below: &mut BTreeMap<String, T>,
    above: &BTreeMap<String, T>,
    label: &str,
) -> Result<(), String> {
    for (name, entry) in above {
        let noun = T::NOUN;
        match entry.mode().as_deref() {
            Some("merge") => match below.get_mut(name) {
                Some(known) => known.merge(entry),
                None => drop(below.insert(name.clone(), entry.clone())),
            },
            Some("replace") => drop(below.insert(name.clone(), entry.clone())),
            None | Some("") => {
                return Err(format!(
                    "layer {label:?} must define \"override\" for {noun} {name:?}"
                ));
            }
            Some(_) => {
                return Err(format!(
                    "layer {label:?} has invalid \"override\" value for {noun} {name:?}"
                ));
            }
        }
    }
    Ok(())
}

fn set<T: Clone>(below: &mut Option<T>, above: &Option<T>) {
    if above.is_some() {
        below.clone_from(above);
    }
}

fn add(below: &mut BTreeMap<String, String>, above: &BTreeMap<String, String>) {
    below.extend(above.clone());
}

impl Entry for Service {
    const NOUN: &'static str = "service";

    fn mode(&self) -> &Option<String> {
        &self.r#override
    }

    fn merge(&mut self, over: &Self) {
        set(&mut self.summary, &over.summary);
        set(&mut self.description, &over.description);
        set(&mut self.startup, &over.startup);
        set(&mut self.command, &over.command);
        self.after.extend(over.after.clone());
        self.before.extend(over.before.clone());
        self.requires.extend(over.requires.clone());
        add(&mut self.environment, &over.environment);
        set(&mut self.user_id, &over.user_id);
        set(&mut self.user, &over.user);
        set(&mut self.group_id, &over.group_id);
        set(&mut self.group, &over.group);
        set(&mut self.working_dir, &over.working_dir);
        set(&mut self.on_success, &over.on_success);
        set(&mut self.on_failure, &over.on_failure);
        add(&mut self.on_check_failure, &over.on_check_failure);
        set(&mut self.backoff_delay, &over.backoff_delay);
        set(&mut self.backoff_factor, &over.backoff_factor);
        set(&mut self.backoff_limit, &over.backoff_limit);
        set(&mut self.kill_delay, &over.kill_delay);
    }
}

impl Entry for Check {
    const NOUN: &'static str = "check";

    fn mode(&self) -> &Option<String> {
        &self.r#override
    }

    fn merge(&mut self, over: &Self) {
        set(&mut self.level, &over.level);
        set(&mut self.startup, &over.startup);
        set(&mut self.period, &over.period);
        set(&mut self.timeout, &over.timeout);
        set(&mut self.threshold, &over.threshold);
        if let Some(HttpCheck { url, headers }) = &over.http {
            let http = self.http.get_or_insert_default();
            set(&mut http.url, url);
            add(&mut http.headers, headers);
        }
        if let Some(TcpCheck { port, host }) = &over.tcp {
            let tcp = self.tcp.get_or_insert_default();
            set(&mut tcp.port, port);
            set(&mut tcp.host, host);
        }
        if let Some(over) = &over.exec {
            merge_exec(self.exec.get_or_insert_default(), over);
        }
    }
}

fn merge_exec(exec: &mut ExecCheck, over: &ExecCheck) {
    set(&mut exec.command, &over.command);
    set(&mut exec.service_context, &over.service_context);
    add(&mut exec.environment, &over.environment);
    set(&mut exec.user_id, &over.user_id);
    set(&mut exec.user, &over.user);
    set(&mut exec.group_id, &over.group_id);
    set(&mut exec.group, &over.group);
    set(&mut exec.working_dir, &over.working_dir);
}

impl Entry for LogTarget {
    const NOUN: &'static str = "log target";

    fn mode(&self) -> &Option<String> {
        &self.r#override
    }

    fn merge(&mut self, over: &Self) {
        set(&mut self.r#type, &over.r#type);
        set(&mut self.location, &over.location);
        self.services.extend(over.services.clone());
        add(&mut self.labels, &over.labels);
    }
}
