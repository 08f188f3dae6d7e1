//! Users and groups, from the passwd and group files.

use std::fs;

/// One line of the passwd file.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) id: u32,
    pub(crate) group_id: u32,
    pub(crate) home: String,
}

/// Whom a request or a plan names, in any of the ways it may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Whom {
    pub(crate) user_id: Option<i64>,
    pub(crate) user: String,
    pub(crate) group_id: Option<i64>,
    pub(crate) group: String,
}

/// A user and a group, as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) user_id: u32,
    pub(crate) group_id: u32,
}

impl Owner {
    /// Those of this process.
    pub(crate) fn own() -> Self {
        Self {
            user_id: rustix::process::getuid().as_raw(),
            group_id: rustix::process::getgid().as_raw(),
        }
    }
}

impl Whom {
    /// Finds the numbers; none when nobody is named.
    pub(crate) fn resolve(&self) -> Result<Option<Owner>, String> {
        if *self == Self::default() {
            return Ok(None);
        }
        let mut user_id = self.user_id;
        if !self.user.is_empty() {
            let found =
                by_name(&self.user).ok_or_else(|| format!("user: unknown user {}", self.user))?;
            if let Some(id) = user_id.filter(|id| *id != i64::from(found.id)) {
                return Err(format!(
                    "user {:?} UID ({}) does not match user-id ({id})",
                    self.user, found.id
                ));
            }
            user_id = Some(found.id.into());
        }
        let mut group_id = self.group_id;
        if !self.group.is_empty() {
            let found = group_by_name(&self.group)
                .ok_or_else(|| format!("group: unknown group {}", self.group))?;
            if let Some(id) = group_id.filter(|id| *id != i64::from(found)) {
                return Err(format!(
                    "group {:?} GID ({found}) does not match group-id ({id})",
                    self.group
                ));
            }
            group_id = Some(found.into());
        }
        let user_id = user_id.ok_or("must specify user, not just group")?;
        let unknown = || format!("user: unknown userid {user_id}");
        let number = u32::try_from(user_id).map_err(|_| unknown())?;
        let group_id = match group_id {
            Some(id) => u32::try_from(id).map_err(|_| format!("group: unknown groupid {id}"))?,
            None => by_id(number).ok_or_else(unknown)?.group_id,
        };
        Ok(Some(Owner {
            user_id: number,
            group_id,
        }))
    }

    /// The same with what is named here laid over another.
    pub(crate) fn over(&self, below: &Self) -> Self {
        let text = |mine: &String, theirs: &String| {
            if mine.is_empty() {
                theirs.clone()
            } else {
                mine.clone()
            }
        };
        Self {
            user_id: self.user_id.or(below.user_id),
            user: text(&self.user, &below.user),
            group_id: self.group_id.or(below.group_id),
            group: text(&self.group, &below.group),
        }
    }
}

/// The user of that name.
pub(crate) fn by_name(name: &str) -> Option<User> {
    users().into_iter().find(|user| user.name == name)
}

/// The user of that number.
pub(crate) fn by_id(id: u32) -> Option<User> {
    users().into_iter().find(|user| user.id == id)
}

/// The name of the group of that number; empty when there is none.
pub(crate) fn group_name(id: u32) -> String {
    groups()
        .into_iter()
        .find(|(_, number)| *number == id)
        .map(|(name, _)| name)
        .unwrap_or_default()
}

fn group_by_name(name: &str) -> Option<u32> {
    groups()
        .into_iter()
        .find(|(each, _)| each == name)
        .map(|(_, number)| number)
}

fn users() -> Vec<User> {
    let text = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let parse = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let id = fields.nth(1)?.parse().ok()?;
        let group_id = fields.next()?.parse().ok()?;
        let home = fields.nth(1)?.to_owned();
        Some(User {
            name,
            id,
            group_id,
            home,
        })
    };
    text.lines().filter_map(parse).collect()
}

fn groups() -> Vec<(String, u32)> {
    let text = fs::read_to_string("/etc/group").unwrap_or_default();
    let parse = |line: &str| {
        let mut fields = line.split(':');
        Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
    };
    text.lines().filter_map(parse).collect()
}
