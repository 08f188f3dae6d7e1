//! The life of applications and units: deployed, added, replaced, removed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::Controller;
use crate::juju::charm::{Charm, Role};
use crate::juju::context::{Flavour, Run, Status};
use crate::juju::launcher::Launcher as _;
use crate::juju::model::{Application, End, Link, Model, Mount, Player, Unit, now};
use crate::juju::site::Site;
use crate::juju::unit::UnitName;

/// What is deployed.
pub struct Deployment<'a> {
    /// The application's name.
    pub application: &'a str,
    /// The charm, an archive or a directory; `None` for a simulated one.
    pub source: Option<&'a Path>,
    /// What the simulated charm declares.
    pub simulated: Charm,
    /// Settings.
    pub settings: BTreeMap<String, Value>,
    /// Resources.
    pub resources: BTreeMap<String, String>,
    /// `--trust`.
    pub trusted: bool,
}

impl Controller {
    /// Deploys an application with no unit yet.
    pub fn deploy(&self, what: Deployment) -> Result<()> {
        let name = what.application;
        let (charm, player, url) = match what.source {
            Some(source) => {
                let charm = Charm::read(source)?;
                let url = format!("local:{}-0", charm.name);
                (charm, Player::Charm, url)
            }
            None => {
                let url = format!("ch:amd64/{}-41", what.simulated.name);
                (what.simulated, Player::Integrator, url)
            }
        };
        self.store.try_update(|model| {
            ensure!(
                !model.applications.contains_key(name),
                "cannot add application {name:?}: application already exists"
            );
            let peers: Vec<String> = charm
                .endpoints
                .iter()
                .filter(|(_, end)| end.role == Role::Peer)
                .map(|(name, _)| name.clone())
                .collect();
            model.applications.insert(
                name.to_owned(),
                Application {
                    charm,
                    player,
                    charm_url: url,
                    settings: what.settings,
                    resources: what.resources,
                    trusted: what.trusted,
                    since: now().to_string(),
                    ..Application::default()
                },
            );
            for endpoint in peers {
                let id = model.next_relation;
                model.next_relation += 1;
                let ends = vec![End {
                    application: name.to_owned(),
                    endpoint,
                }];
                model.relations.push(Link {
                    id,
                    ends,
                    ..Link::default()
                });
            }
            Ok(())
        })?;
        if let Some(source) = what.source {
            keep(source, &self.store.charm_path(name))?;
        }
        Ok(())
    }

    /// Adds a unit: its pod, its files, and the hooks of a first start.
    pub fn add_unit(&self, application: &str) -> Result<UnitName> {
        let model = self.store.read()?;
        let found = model
            .applications
            .get(application)
            .with_context(|| format!("application {application:?} not found"))?;
        let number = found.units.keys().max().map_or(0, |last| last + 1);
        let name = UnitName::new(application, number);
        if found.player == Player::Charm {
            let site = Site::create(&self.store, model.ground, &name)?;
            self.unpack(&site, &name)?;
        }
        self.store.update(|model| first_start(model, &name))?;
        Ok(name)
    }

    fn unpack(&self, site: &Site, name: &UnitName) -> Result<()> {
        let folder = site.host_path(&name.charm_dir(&site.data_dir()));
        Charm::unpack(&self.store.charm_path(name.application()), &folder)
    }

    /// Replaces a unit's pod: the charm's files come anew, the storage stays.
    pub fn replace_pod(&self, name: &UnitName) -> Result<()> {
        self.store.update(|model| model.queue_hook(name, "stop"))?;
        self.settle()?;
        self.site(name)?.end_workload(false)?;
        self.revive_pod(name)
    }

    /// Makes the pod of a unit anew whose old one has ended.
    pub fn revive_pod(&self, name: &UnitName) -> Result<()> {
        let site = self.site(name)?;
        self.unpack(&site, name)?;
        self.store.update(|model| {
            if let Some(unit) = model.unit_mut(name) {
                (unit.started, unit.boot) = (false, None);
            }
            for hook in ["upgrade-charm", "config-changed", "start"] {
                model.queue_hook(name, hook);
            }
        })?;
        self.settle()
    }

    /// Takes a new charm for an application and replaces its pods.
    pub fn refresh(&self, application: &str, source: &Path) -> Result<()> {
        let charm = Charm::read(source)?;
        let units = self.store.try_update(|model| {
            let found = model.applications.get_mut(application);
            let found = found.with_context(|| format!("application {application:?} not found"))?;
            ensure!(
                found.charm.name == charm.name,
                "cannot upgrade {:?} to {:?}",
                found.charm.name,
                charm.name
            );
            let revision: u32 = found
                .charm_url
                .rsplit('-')
                .next()
                .and_then(|last| last.parse().ok())
                .unwrap_or(0);
            found.charm_url = format!("local:{}-{}", charm.name, revision + 1);
            found.charm = charm;
            Ok(found.unit_names(application))
        })?;
        keep(source, &self.store.charm_path(application))?;
        units.iter().try_for_each(|unit| self.replace_pod(unit))
    }

    /// Restarts a unit's agent alone: the charm's files stay, `start` and `pebble-ready` come again.
    pub fn restart_agent(&self, name: &UnitName) -> Result<()> {
        self.store.update(|model| {
            if let Some(unit) = model.unit_mut(name) {
                unit.boot = None;
            }
            model.queue_hook(name, "start");
        })?;
        self.settle()
    }

    /// Removes an application with its units, its relations and its pods' directories.
    pub fn remove_application(&self, application: &str) -> Result<()> {
        let units = self.store.try_update(|model| {
            let found = model.applications.get(application);
            let units = found
                .with_context(|| format!("application {application:?} not found"))?
                .unit_names(application);
            let links = model
                .relations
                .iter()
                .filter(|link| link.end_of(application).is_some());
            let links: Vec<i64> = links.map(|link| link.id).collect();
            links.into_iter().for_each(|id| model.remove_relation(id));
            for unit in &units {
                model.queue_hook(unit, "stop");
                for mount in model
                    .unit(unit)
                    .map(|unit| unit.storage.clone())
                    .unwrap_or_default()
                {
                    let storage = mount.id.split('/').next().unwrap_or_default();
                    let name = format!("{storage}-storage-detaching");
                    model.queue(
                        unit,
                        Run::Storage {
                            name,
                            storage: mount.id.clone(),
                        },
                    );
                }
                model.queue_hook(unit, "remove");
            }
            Ok(units)
        })?;
        self.settle()?;
        let left = self.store.read()?;
        if let Some(unit) = units
            .iter()
            .find(|unit| left.unit(unit).is_some_and(|unit| !unit.queue.is_empty()))
        {
            bail!("unit {unit} is in error: juju resolved {unit}");
        }
        self.bury(application, &units)
    }

    fn bury(&self, application: &str, units: &[UnitName]) -> Result<()> {
        for unit in units {
            if self.store.read()?.applications[application].player == Player::Charm {
                self.site(unit)?.kill()?;
                fs::remove_dir_all(self.store.unit_dir(unit))?;
            }
        }
        self.store.update(|model| {
            model.applications.remove(application);
            model
                .relations
                .retain(|link| link.end_of(application).is_none());
        })
    }

    /// Ends everything that lives and removes the model's directory.
    pub fn destroy(&self) -> Result<()> {
        for unit in self.store.read()?.charm_units() {
            self.site(&unit)?.kill()?;
        }
        let dir = self.store.dir();
        fs::remove_dir_all(dir).with_context(|| format!("failed to remove {}", dir.display()))
    }
}

/// Keeps a copy of what was deployed.
fn keep(source: &Path, target: &Path) -> Result<()> {
    if source.is_dir() {
        return Charm::unpack(source, target);
    }
    if target.is_dir() {
        fs::remove_dir_all(target)?;
    }
    let copied = fs::copy(source, target);
    copied.map(drop).with_context(|| {
        format!(
            "failed to copy {} to {}",
            source.display(),
            target.display()
        )
    })
}

/// Puts a unit into the model with the hooks of its first start.
fn first_start(model: &mut Model, name: &UnitName) {
    let Some(application) = model.applications.get_mut(name.application()) else {
        return;
    };
    let leads = *application.leader.get_or_insert(name.number()) == name.number();
    let charm = application.charm.clone();
    let status = match application.player {
        Player::Charm => Status {
            status: "waiting".to_owned(),
            message: "installing agent".to_owned(),
            ..Status::default()
        },
        Player::Integrator => Status {
            status: "unknown".to_owned(),
            ..Status::default()
        },
    };
    application.units.insert(
        name.number(),
        Unit {
            status,
            since: now().to_string(),
            ..Unit::default()
        },
    );
    model.queue_hook(name, "install");
    for (storage, spec) in &charm.storage {
        let number = model.next_storage;
        model.next_storage += 1;
        let own = match model.flavour {
            Flavour::V3 => format!("/var/lib/juju/storage/{storage}/{number}"),
            Flavour::V4 => format!("/var/lib/juju/storage/{storage}-{number}"),
        };
        let mount = Mount {
            id: format!("{storage}/{number}"),
            kind: spec.kind.clone(),
            location: spec.location.clone().unwrap_or(own),
            attached: false,
        };
        let attached = Run::Storage {
            name: format!("{storage}-storage-attached"),
            storage: mount.id.clone(),
        };
        if let Some(unit) = model.unit_mut(name) {
            unit.storage.push(mount);
        }
        // Juju's documentation says after start; in truth it slips in as soon as install is done.
        model.queue(name, attached);
    }
    let links = model
        .relations
        .iter()
        .filter(|link| !link.dying && link.end_of(name.application()).is_some());
    let links: Vec<i64> = links.map(|link| link.id).collect();
    links.into_iter().for_each(|id| model.enter(name, id));
    let leadership = match (leads, model.flavour) {
        (true, _) => Some("leader-elected"),
        (false, Flavour::V3) => Some("leader-settings-changed"),
        (false, Flavour::V4) => None,
    };
    for hook in leadership.into_iter().chain(["config-changed", "start"]) {
        model.queue_hook(name, hook);
    }
}
