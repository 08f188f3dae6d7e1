//! The plan: all layers laid over each other, and the orders in which services start and stop.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Serialize;
use serde_yaml::Value;

use super::duration::Span;
use super::layer::{Check, ExecCheck, Layer, LogTarget, Service};
use super::{merge, yaml};

/// The layers and what they add up to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    layers: Vec<Layer>,
    pub(crate) services: BTreeMap<String, Service>,
    pub(crate) checks: BTreeMap<String, Check>,
    log_targets: BTreeMap<String, LogTarget>,
}

/// Services that are started or stopped one after the other; lanes go side by side.
pub(crate) type Lanes = Vec<Vec<String>>;

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Shown<'a> {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    services: &'a BTreeMap<String, Service>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    checks: &'a BTreeMap<String, Check>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    log_targets: &'a BTreeMap<String, LogTarget>,
}

impl Plan {
    /// Reads the files `NNN-label.yaml` of a directory, in the order of their numbers.
    pub(crate) fn read(directory: &Path) -> Result<Self, String> {
        let mut files: Vec<_> = match fs::read_dir(directory) {
            Ok(entries) => entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .collect(),
            Err(_) => Vec::new(),
        };
        files.retain(|path| path.extension().is_some_and(|ending| ending == "yaml"));
        files.sort();
        let mut layers = Vec::new();
        for path in files {
            let stem = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .unwrap_or_default();
            let label = stem
                .split_once('-')
                .map(|(_, label)| label)
                .ok_or_else(|| {
                    format!(
                        "invalid layer filename: {stem:?} (must look like \"123-some-label.yaml\")"
                    )
                })?;
            let text = fs::read_to_string(&path)
                .map_err(|error| format!("cannot read layer file: {error}"))?;
            layers.push(Layer::parse(label, &text)?);
        }
        Self::of(layers)
    }

    /// The plan with one more layer, or with a layer changed.
    pub(crate) fn with(&self, layer: Layer, combine: bool) -> Result<Self, String> {
        let mut layers = self.layers.clone();
        match layers.iter_mut().find(|known| known.label == layer.label) {
            Some(_) if !combine => return Err(format!("layer {:?} already exists", layer.label)),
            Some(known) => {
                let mut combined = merge::combine(&[known, &layer])?;
                combined.label = layer.label;
                *known = combined;
            }
            None => layers.push(layer),
        }
        Self::of(layers)
    }

    fn of(layers: Vec<Layer>) -> Result<Self, String> {
        let all: Vec<&Layer> = layers.iter().collect();
        let mut combined = merge::combine(&all)?;
        for check in combined.checks.values_mut() {
            merge::fill_in(check);
        }
        let Layer {
            services,
            checks,
            log_targets,
            ..
        } = combined;
        let plan = Self {
            layers,
            services,
            checks,
            log_targets,
        };
        plan.validate()?;
        Ok(plan)
    }

    fn validate(&self) -> Result<(), String> {
        for (name, service) in &self.services {
            if service.command.as_deref().unwrap_or_default().is_empty() {
                return Err(format!("plan must define \"command\" for service {name:?}"));
            }
        }
        for (name, check) in &self.checks {
            self.validate_check(name, check)?;
        }
        let names: Vec<String> = self.services.keys().cloned().collect();
        self.start_order(&names).map(drop)
    }

    fn validate_check(&self, name: &str, check: &Check) -> Result<(), String> {
        if check
            .http
            .as_ref()
            .is_some_and(|http| http.url.as_deref().unwrap_or_default().is_empty())
        {
            return Err(format!("plan must set \"url\" for http check {name:?}"));
        }
        if check
            .tcp
            .as_ref()
            .is_some_and(|tcp| tcp.port.unwrap_or_default() == 0)
        {
            return Err(format!("plan must set \"port\" for tcp check {name:?}"));
        }
        if let Some(exec) = &check.exec {
            if exec.command.as_deref().unwrap_or_default().is_empty() {
                return Err(format!("plan must set \"command\" for exec check {name:?}"));
            }
            if let Some(context) = exec
                .service_context
                .as_ref()
                .filter(|name| !self.services.contains_key(*name))
            {
                return Err(format!(
                    "plan check {name:?} service context specifies non-existent service {context:?}"
                ));
            }
        }
        let kinds = [
            check.http.is_some(),
            check.tcp.is_some(),
            check.exec.is_some(),
        ];
        if kinds.into_iter().filter(|there| *there).count() == 1 {
            return Ok(());
        }
        Err(format!(
            "plan must specify one of \"http\", \"tcp\", or \"exec\" for check {name:?}"
        ))
    }

    /// The plan as YAML, laid out as Pebble's.
    pub(crate) fn to_yaml(&self) -> String {
        let shown = Shown {
            services: &self.services,
            checks: &self.checks,
            log_targets: &self.log_targets,
        };
        yaml::write(&serde_yaml::to_value(&shown).unwrap_or(Value::Null))
    }

    /// A check with what it borrows from a service.
    pub(crate) fn complete_check(&self, check: &Check) -> Check {
        let mut complete = check.clone();
        let service = |exec: &ExecCheck| self.services.get(exec.service_context.as_ref()?).cloned();
        if let Some(exec) = &mut complete.exec
            && let Some(service) = service(exec)
        {
            let mut environment = service.environment.clone();
            environment.append(&mut exec.environment);
            exec.environment = environment;
            exec.user_id = exec.user_id.or(service.user_id);
            exec.user = exec.user.take().or(service.user);
            exec.group_id = exec.group_id.or(service.group_id);
            exec.group = exec.group.take().or(service.group);
            exec.working_dir = exec.working_dir.take().or(service.working_dir);
        }
        complete
    }

    /// The named services and those that they require, in the order of their start.
    pub(crate) fn start_order(&self, names: &[String]) -> Result<Lanes, String> {
        let requires = |name: &str| {
            self.services
                .get(name)
                .map(|service| service.requires.clone())
        };
        let chosen = self.closure(names, requires)?;
        self.order(&chosen, |service| &service.after, |service| &service.before)
    }

    /// The named services and those that require them, in the order of their stop.
    pub(crate) fn stop_order(&self, names: &[String]) -> Result<Lanes, String> {
        let dependants = |name: &str| {
            let dependants = self
                .services
                .iter()
                .filter(|(_, service)| service.requires.iter().any(|each| each == name));
            self.services
                .contains_key(name)
                .then(|| dependants.map(|(name, _)| name.clone()).collect())
        };
        let chosen = self.closure(names, dependants)?;
        self.order(&chosen, |service| &service.before, |service| &service.after)
    }

    fn closure(
        &self,
        names: &[String],
        more: impl Fn(&str) -> Option<Vec<String>>,
    ) -> Result<BTreeSet<String>, String> {
        let mut chosen = BTreeSet::new();
        let mut pending = names.to_vec();
        while let Some(name) = pending.pop() {
            if chosen.contains(&name) {
                continue;
            }
            pending.extend(more(&name).ok_or_else(|| format!("service {name:?} does not exist"))?);
            chosen.insert(name);
        }
        Ok(chosen)
    }

    /// Sorts services so that each comes behind its predecessors, and parts them into lanes.
    fn order(
        &self,
        chosen: &BTreeSet<String>,
        behind: impl Fn(&Service) -> &Vec<String>,
        ahead: impl Fn(&Service) -> &Vec<String>,
    ) -> Result<Lanes, String> {
        let mut waits: BTreeMap<&String, BTreeSet<&String>> =
            chosen.iter().map(|name| (name, BTreeSet::new())).collect();
        for name in chosen {
            let service = &self.services[name];
            for other in behind(service)
                .iter()
                .filter(|other| chosen.contains(*other))
            {
                waits.entry(name).or_default().insert(other);
            }
            for other in ahead(service).iter().filter_map(|other| chosen.get(other)) {
                waits.entry(other).or_default().insert(name);
            }
        }
        let mut order: Vec<&String> = Vec::new();
        while !waits.is_empty() {
            let next = waits
                .iter()
                .find(|(_, others)| others.is_empty())
                .map(|(name, _)| *name);
            let Some(next) = next else {
                return Err(format!(
                    "services in before/after loop: {}",
                    in_loop(&waits).join(", ")
                ));
            };
            waits.remove(next);
            for others in waits.values_mut() {
                others.remove(next);
            }
            order.push(next);
        }
        Ok(self.lanes(&order))
    }

    /// Services that require each other, however indirectly, share a lane.
    fn lanes(&self, order: &[&String]) -> Lanes {
        let mut lanes: Vec<(Vec<String>, BTreeSet<&String>)> = Vec::new();
        for name in order {
            let requires = self
                .services
                .get(*name)
                .map_or(&[][..], |service| &service.requires);
            let kin = |(members, wanted): &(Vec<String>, BTreeSet<&String>)| {
                wanted.contains(*name) || requires.iter().any(|other| members.contains(other))
            };
            let (mut joined, apart): (Vec<_>, Vec<_>) = lanes.into_iter().partition(kin);
            let first = joined
                .iter()
                .map(|(members, _)| members.clone())
                .fold(Vec::new(), |all, more| [all, more].concat());
            let mut wanted: BTreeSet<&String> =
                joined.drain(..).flat_map(|(_, wanted)| wanted).collect();
            wanted.extend(requires);
            lanes = apart;
            lanes.push(([first, vec![(*name).clone()]].concat(), wanted));
        }
        let place = |lane: &Vec<String>| order.iter().position(|name| lane.first() == Some(name));
        let mut lanes: Lanes = lanes.into_iter().map(|(members, _)| members).collect();
        lanes.sort_by_key(place);
        lanes
    }
}

/// Those among the waiting that wait, in the end, for themselves.
fn in_loop(waits: &BTreeMap<&String, BTreeSet<&String>>) -> Vec<String> {
    let reaches = |from: &String| {
        let mut seen = BTreeSet::new();
        let mut pending: Vec<&String> = waits[from].iter().copied().collect();
        while let Some(name) = pending.pop() {
            if seen.insert(name) {
                pending.extend(waits.get(name).into_iter().flatten().copied());
            }
        }
        seen.contains(from)
    };
    waits
        .keys()
        .filter(|name| reaches(name))
        .map(|name| (*name).clone())
        .collect()
}

/// How long a check may take, how often it is made, and how many failures make it down.
pub(crate) struct Rhythm {
    pub(crate) period: Span,
    pub(crate) timeout: Span,
    pub(crate) threshold: u64,
}

impl Check {
    pub(crate) fn rhythm(&self) -> Rhythm {
        let period = self.period.unwrap_or(Span::from_millis(10_000));
        let timeout = self.timeout.unwrap_or(Span::from_millis(3_000)).min(period);
        Rhythm {
            period,
            timeout,
            threshold: self.threshold.unwrap_or(3),
        }
    }
}
