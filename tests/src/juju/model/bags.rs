//! Landing what a run left pending, and the hooks that follow from it.

use std::collections::BTreeMap;

use super::{Link, Model, Player};
use crate::juju::context::{Bag, Effects, Run};
use crate::juju::unit::UnitName;

impl Model {
    /// Lands the pending effects of a unit's run, all or nothing.
    pub fn commit(&mut self, name: &UnitName, effects: &Effects) -> Result<(), String> {
        if !effects.application_settings.is_empty() && !self.is_leader(name) {
            return Err(format!(
                "prerequisites failed: {:?} is not leader of {:?}",
                name.to_string(),
                name.application()
            ));
        }
        for (id, bag) in &effects.unit_settings {
            self.write_bag(*id, &name.to_string(), bag);
        }
        for (id, bag) in &effects.application_settings {
            self.write_bag(*id, name.application(), bag);
        }
        let Some(unit) = self.unit_mut(name) else {
            return Err(format!("unit {:?} not found", name.to_string()));
        };
        if let Some(state) = &effects.state {
            unit.state = state.clone();
        }
        for (endpoint, ports) in &effects.ports_to_open {
            unit.ports
                .entry(endpoint.clone())
                .or_default()
                .extend(ports.iter().cloned());
        }
        for (endpoint, ports) in &effects.ports_to_close {
            if let Some(opened) = unit.ports.get_mut(endpoint) {
                opened.retain(|port| !ports.contains(port));
            }
        }
        unit.ports.retain(|_, ports| !ports.is_empty());
        Ok(())
    }

    /// Writes the bag of a unit or an application, and tells the other end when something changed.
    pub fn write_bag(&mut self, id: i64, owner: &str, bag: &Bag) {
        let Some(link) = self.relations.iter_mut().find(|link| link.id == id) else {
            return;
        };
        let kept: BTreeMap<_, _> = bag
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        let before = link
            .bags
            .insert(owner.to_owned(), kept.clone())
            .unwrap_or_default();
        if before != kept {
            self.tell_changed(id, owner);
        }
    }

    /// Queues `-changed` wherever the owner's bag is read.
    fn tell_changed(&mut self, id: i64, owner: &str) {
        let Some(link) = self.relations.iter().find(|link| link.id == id).cloned() else {
            return;
        };
        if link.dying {
            return;
        }
        let application = owner.split('/').next().unwrap_or(owner);
        let unit = if owner.contains('/') { owner } else { "" };
        for reader in self.readers(&link, application) {
            // An application's own bag is written by its leader, who needs not be told.
            let own = reader.to_string() == unit
                || (link.is_peer() && unit.is_empty() && self.is_leader(&reader));
            if !own && link.units.contains(&reader.to_string()) {
                self.queue_relation(&reader, &link, "changed", application, unit);
            }
        }
    }

    /// The units that read the bags of an application.
    pub fn readers(&self, link: &Link, application: &str) -> Vec<UnitName> {
        let Some(end) = link.other_end(application) else {
            return Vec::new();
        };
        let found = self
            .applications
            .get(&end.application)
            .filter(|app| app.player == Player::Charm);
        found
            .map(|app| app.unit_names(&end.application))
            .unwrap_or_default()
    }

    /// Queues a relation's hook.
    pub fn queue_relation(
        &mut self,
        reader: &UnitName,
        link: &Link,
        kind: &str,
        remote_app: &str,
        remote_unit: &str,
    ) {
        let Some(end) = link.end_of(reader.application()) else {
            return;
        };
        let run = Run::Relation {
            name: format!("{}-relation-{kind}", end.endpoint),
            relation: link.id,
            remote_app: remote_app.to_owned(),
            remote_unit: remote_unit.to_owned(),
            departing_unit: if kind == "departed" {
                remote_unit.to_owned()
            } else {
                String::new()
            },
        };
        self.queue(reader, run);
    }

    /// Brings a unit into a relation: its own `-created`, and `-joined` and `-changed` on both ends.
    pub fn enter(&mut self, name: &UnitName, id: i64) {
        let Some(link) = self.relations.iter_mut().find(|link| link.id == id) else {
            return;
        };
        let unit = name.to_string();
        if !link.units.insert(unit.clone()) {
            return;
        }
        let address = format!("10.1.0.{}", name.number() + 10);
        let mut bag = Bag::from([
            ("egress-subnets".to_owned(), format!("{address}/32")),
            ("ingress-address".to_owned(), address.clone()),
        ]);
        if self.flavour == crate::juju::context::Flavour::V3 {
            bag.insert("private-address".to_owned(), address);
        }
        link.bags.entry(unit.clone()).or_insert(bag);
        let link = link.clone();
        let application = name.application();
        let Some(other) = link
            .other_end(application)
            .map(|end| end.application.clone())
        else {
            return;
        };
        self.queue_relation(name, &link, "created", &other, "");
        let prefix = format!("{other}/");
        let there = link
            .units
            .iter()
            .filter(|there| there.starts_with(&prefix) && **there != unit);
        for remote in there {
            self.queue_relation(name, &link, "joined", &other, remote);
            self.queue_relation(name, &link, "changed", &other, remote);
        }
        if link.bags.get(&other).is_some_and(|bag| !bag.is_empty()) && !link.is_peer() {
            self.queue_relation(name, &link, "changed", &other, "");
        }
        for reader in self.readers(&link, application) {
            if reader != *name && link.units.contains(&reader.to_string()) {
                self.queue_relation(&reader, &link, "joined", application, &unit);
                self.queue_relation(&reader, &link, "changed", application, &unit);
            }
        }
    }

    /// Begins to remove a relation: `-departed` for each unit at the other end, then `-broken`.
    pub fn remove_relation(&mut self, id: i64) {
        let Some(link) = self.relations.iter_mut().find(|link| link.id == id) else {
            return;
        };
        link.dying = true;
        let link = link.clone();
        for end in &link.ends {
            let Some(other) = link.other_end(&end.application) else {
                continue;
            };
            let prefix = format!("{}/", other.application);
            for reader in self.readers(&link, &other.application) {
                for remote in link.units.iter().filter(|unit| unit.starts_with(&prefix)) {
                    self.queue_relation(&reader, &link, "departed", &other.application, remote);
                }
                self.queue_relation(&reader, &link, "broken", &other.application, "");
            }
        }
    }

    /// Forgets relations that are being removed and that no hook is due for any more.
    pub fn bury_relations(&mut self) {
        let due = |id: i64, model: &Model| {
            let queues = model
                .applications
                .values()
                .flat_map(|app| app.units.values())
                .flat_map(|unit| &unit.queue);
            queues
                .into_iter()
                .any(|run| matches!(run, Run::Relation { relation, .. } if *relation == id))
        };
        let dead: Vec<i64> = self
            .relations
            .iter()
            .filter(|link| link.dying)
            .map(|link| link.id)
            .filter(|id| !due(*id, self))
            .collect();
        self.relations.retain(|link| !dead.contains(&link.id));
    }
}
