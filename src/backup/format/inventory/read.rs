//! The inventory's JSON, read with its members passing by.

use std::fmt;
use std::io::Read;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Inventory, MediaFindings, MemberDigest, Members};
use crate::archive::{Member, Sha256Hex};

/// An inventory, and what it says of itself.
pub(super) struct Document {
    pub(super) format: String,
    pub(super) version: u32,
    pub(super) inventory: Inventory,
    pub(super) members_sha256: Sha256Hex,
}

/// The keys that this version knows.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "kebab-case")]
enum Key {
    Format,
    Version,
    Id,
    ServerName,
    SynapseVersion,
    Database,
    Places,
    Members,
    Volumes,
    Notes,
    Media,
    MembersSha256,
    ManifestSha256,
    #[serde(other)]
    Unknown,
}

/// Reads a document to the end of its source and shows each member as it comes.
pub(super) fn document(
    source: impl Read,
    each: impl FnMut(&Member),
) -> Result<Document, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_reader(source);
    let document = DocumentWith(each).deserialize(&mut json)?;
    json.end()?;
    Ok(document)
}

struct DocumentWith<F>(F);

struct MembersWith<'a, F>(&'a mut F);

impl<'de, F: FnMut(&Member)> DeserializeSeed<'de> for DocumentWith<F> {
    type Value = Document;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Document, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: FnMut(&Member)> Visitor<'de> for DocumentWith<F> {
    type Value = Document;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an inventory")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Document, A::Error> {
        let (mut format, mut version, mut id, mut server_name) = (None, None, None, None);
        let (mut synapse_version, mut database) = (None, None);
        let (mut places, mut members, mut volumes, mut members_sha256) = (None, None, None, None);
        let (mut notes, mut media, mut manifest) = (None, None, None);
        while let Some(key) = map.next_key()? {
            match key {
                Key::Format => set(&mut format, "format", map.next_value()?)?,
                Key::Version => set(&mut version, "version", map.next_value()?)?,
                Key::Id => set(&mut id, "id", map.next_value()?)?,
                Key::ServerName => set(&mut server_name, "server-name", map.next_value()?)?,
                Key::SynapseVersion => {
                    set(&mut synapse_version, "synapse-version", map.next_value()?)?;
                }
                Key::Database => set(&mut database, "database", map.next_value()?)?,
                Key::Places => set(&mut places, "places", map.next_value()?)?,
                Key::Notes => set(&mut notes, "notes", map.next_value()?)?,
                Key::Media => set(&mut media, "media", map.next_value::<MediaFindings>()?)?,
                Key::ManifestSha256 => {
                    set(&mut manifest, "manifest-sha256", map.next_value()?)?;
                }
                Key::Members => {
                    let digested = map.next_value_seed(MembersWith(&mut self.0))?;
                    set(&mut members, "members", digested)?;
                }
                Key::Volumes => set(&mut volumes, "volumes", map.next_value()?)?,
                Key::MembersSha256 => {
                    set(&mut members_sha256, "members-sha256", map.next_value()?)?;
                }
                Key::Unknown => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Document {
            format: got(format, "format")?,
            version: got(version, "version")?,
            inventory: Inventory {
                id: got(id, "id")?,
                server_name: got(server_name, "server-name")?,
                synapse_version: synapse_version.flatten(),
                database: database.flatten(),
                places: got(places, "places")?,
                members: got(members, "members")?,
                volumes: got(volumes, "volumes")?,
                notes: notes.unwrap_or_default(),
                media,
                manifest: got(manifest, "manifest-sha256")?,
            },
            members_sha256: got(members_sha256, "members-sha256")?,
        })
    }
}

fn set<T, E: Error>(slot: &mut Option<T>, key: &'static str, value: T) -> Result<(), E> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::duplicate_field(key)),
    }
}

fn got<T, E: Error>(slot: Option<T>, key: &'static str) -> Result<T, E> {
    slot.ok_or_else(|| E::missing_field(key))
}

impl<'de, F: FnMut(&Member)> DeserializeSeed<'de> for MembersWith<'_, F> {
    type Value = Members;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Members, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(&Member)> Visitor<'de> for MembersWith<'_, F> {
    type Value = Members;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of members")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Members, A::Error> {
        let mut digest = MemberDigest::default();
        while let Some(member) = list.next_element::<Member>()? {
            if !member.keeps_the_rules() {
                return Err(Error::custom(format!(
                    "no archive may hold a member as it lists: {:?}",
                    member.path
                )));
            }
            digest.add(&member).map_err(Error::custom)?;
            (self.0)(&member);
        }
        Ok(digest.finish())
    }
}
