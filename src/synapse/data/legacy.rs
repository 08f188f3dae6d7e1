//! What the Python charm saved of a data directory, by the names that it gave.
//!
//! It took `*.key` and `homeserver.db*` from `/data`, and `local_*` from the media store: the one that `homeserver.yaml`
//! named, which was `/data/media` as its image was made, or else `/media_store`. The database was copied file by file while
//! Synapse wrote to it.

/// What such a backup holds that somebody may need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Legacy {
    /// A signing key of the server.
    Keys,
    /// The database, or what SQLite needs to bring it up to its last commit.
    Database,
    /// Uploads of the server's users.
    Media,
    /// Nothing that is put back: other keys, copies of the database, and the index of the write-ahead log, which SQLite
    /// makes anew.
    Spare,
}

/// Where that charm's media stores lay, and where the media lie now.
pub const MOVED: &[(&str, &str)] = &[
    ("media_store/", "data/media/"),
    ("data/media_store/", "data/media/"),
];

/// What a member of such a backup is, by its name without a slash in front; `None` for what that charm never saved.
pub fn legacy(name: &str) -> Option<Legacy> {
    if let Some(media) = media(name) {
        return media.starts_with("local_").then_some(Legacy::Media);
    }
    let (name, within) = match name.strip_prefix("data/")?.split_once('/') {
        Some((name, _)) => (name, true),
        None => (name.strip_prefix("data/")?, false),
    };
    let known = match name {
        "homeserver.db" | "homeserver.db-wal" | "homeserver.db-journal" => Legacy::Database,
        name if name.ends_with(".signing.key") => Legacy::Keys,
        name if name.ends_with(".key") || name.starts_with("homeserver.db") => Legacy::Spare,
        _ => return None,
    };
    // It may be a directory that only has such a name.
    Some(if within { Legacy::Spare } else { known })
}

/// The server that a backup with these files is of, when exactly one signing key says so.
pub fn legacy_server(files: &[String]) -> Option<&str> {
    let mut names = files
        .iter()
        .filter_map(|name| name.strip_suffix(".signing.key"));
    names.next().filter(|_| names.next().is_none())
}

/// A name below the media store, wherever that lay.
fn media(name: &str) -> Option<&str> {
    let mut stores = ["data/media/"]
        .into_iter()
        .chain(MOVED.iter().map(|(from, _)| *from));
    stores.find_map(|store| name.strip_prefix(store))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_that_charm_saved_is_known_and_nothing_else() {
        let known = [
            ("data/demo.example.signing.key", Legacy::Keys),
            ("data/homeserver.db", Legacy::Database),
            ("data/homeserver.db-wal", Legacy::Database),
            ("data/homeserver.db-journal", Legacy::Database),
            ("data/homeserver.db-shm", Legacy::Spare),
            ("data/homeserver.db.bak", Legacy::Spare),
            ("data/homeserver.db/x", Legacy::Spare),
            ("data/tls.key", Legacy::Spare),
            ("data/a.signing.key/b", Legacy::Spare),
            ("data/media/local_content", Legacy::Media),
            ("data/media/local_thumbnails/aa/bb/c/d", Legacy::Media),
            ("media_store/local_content/aa", Legacy::Media),
            ("data/media_store/local_content/aa", Legacy::Media),
        ];
        for (name, expected) in known {
            assert_eq!(legacy(name), Some(expected), "{name}");
        }
        for name in [
            "data",
            "data/homeserver.yaml",
            "data/macaroon.secret",
            "data/media",
            "data/media/remote_content/x",
            "data/media_store/remote_content/x",
            "media_store",
            "media_store/x",
            "data/.synapse-operator/journal.json",
            "data/.gpg_backup_passphrase",
            "etc/passwd",
            "homeserver.db",
            "database/homeserver.db",
        ] {
            assert_eq!(legacy(name), None, "{name}");
        }
    }

    #[test]
    fn server_is_known_by_its_one_signing_key() {
        let of = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            legacy_server(&names).map(str::to_owned)
        };
        assert_eq!(
            of(&["homeserver.db", "demo.example.signing.key"]),
            Some("demo.example".to_owned())
        );
        assert_eq!(of(&["homeserver.db", "tls.key"]), None);
        assert_eq!(of(&["a.signing.key", "b.signing.key"]), None);
    }
}
