//! What a unit's run sees of the model.

use std::collections::BTreeMap;

use super::{Link, Model};
use crate::juju::context::{ApplicationStatus, Context, Effects, Relation, Run, Status, Storage};
use crate::juju::unit::UnitName;

impl Model {
    /// The context of a run of a unit; `None` when there is no such unit.
    pub fn context(&self, name: &UnitName, run: Run) -> Option<Context> {
        let application = self.applications.get(name.application())?;
        let unit = application.units.get(&name.number())?;
        let broken = match &run {
            Run::Relation { name, relation, .. } if name.ends_with("-relation-broken") => {
                Some(*relation)
            }
            _ => None,
        };
        let relations = self
            .relations
            .iter()
            .filter_map(|link| self.relation(link, name, &run, broken))
            .collect();
        let attached = unit.storage.iter().filter(|mount| mount.attached);
        let storage = attached.map(|mount| Storage {
            id: mount.id.clone(),
            kind: mount.kind.clone(),
            location: mount.location.clone(),
        });
        let units = application.units.iter().map(|(number, unit)| {
            (
                UnitName::new(name.application(), *number).to_string(),
                unit.status.clone(),
            )
        });
        Some(Context {
            unit: name.to_string(),
            leader: self.is_leader(name),
            leader_error: String::new(),
            run,
            config: application.charm.configuration(&application.settings),
            relations,
            storage: storage.collect(),
            secrets: self.secrets_seen_by(name),
            state: unit.state.clone(),
            opened_ports: (!unit.ports.is_empty()).then(|| unit.ports.clone()),
            unit_status: unit.status.clone(),
            application_status: ApplicationStatus {
                own: application.status.clone().unwrap_or_default(),
                units: units.collect(),
            },
            flavour: self.flavour,
            effects: Effects::default(),
        })
    }

    /// A relation from a unit's side; `None` when the unit has no part in it.
    fn relation(
        &self,
        link: &Link,
        name: &UnitName,
        run: &Run,
        broken: Option<i64>,
    ) -> Option<Relation> {
        let own = link.end_of(name.application())?;
        let other = link.other_end(name.application())?;
        let leaving = match run {
            Run::Relation {
                relation,
                departing_unit,
                ..
            } if *relation == link.id => departing_unit.as_str(),
            _ => "",
        };
        let prefix = format!("{}/", other.application);
        let own_name = name.to_string();
        let remote_units = link
            .units
            .iter()
            .filter(|unit| unit.starts_with(&prefix) && **unit != own_name && *unit != leaving);
        // The bag of a unit that leaves can still be read in its -departed hook.
        let mut bags: BTreeMap<_, _> = link.bags.clone();
        bags.entry(own_name.clone()).or_default();
        Some(Relation {
            id: link.id,
            endpoint: own.endpoint.clone(),
            remote_app: other.application.clone(),
            peer: link.is_peer(),
            remote_units: remote_units.cloned().collect(),
            bags,
            broken: broken == Some(link.id),
        })
    }

    /// The application's status: what its charm set, else the worst of its units.
    pub fn application_status(&self, application: &str) -> (Status, String) {
        const ORDER: [&str; 6] = [
            "error",
            "blocked",
            "maintenance",
            "waiting",
            "active",
            "unknown",
        ];
        let Some(application) = self.applications.get(application) else {
            return Default::default();
        };
        if let Some(status) = &application.status {
            return (status.clone(), application.since.clone());
        }
        let rank = |status: &Status| {
            ORDER
                .iter()
                .position(|word| *word == status.status)
                .unwrap_or(ORDER.len())
        };
        let shown = application
            .units
            .values()
            .map(|unit| (unit.shown_status(), unit.since.clone()));
        shown
            .min_by_key(|(status, _)| rank(status))
            .unwrap_or_else(|| {
                let waiting = Status {
                    status: "unknown".to_owned(),
                    ..Status::default()
                };
                (waiting, String::new())
            })
    }
}

impl super::Unit {
    /// The workload status as `juju status` shows it: a hook in error hides the charm's own.
    pub fn shown_status(&self) -> Status {
        match &self.error {
            Some(message) => Status {
                status: "error".to_owned(),
                message: message.clone(),
                ..Status::default()
            },
            None => self.status.clone(),
        }
    }
}
