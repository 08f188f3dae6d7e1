"""What is asked of every database file: stands before the programs that ask. Python 3.9 and later."""

import os
import sqlite3
import sys
import time

STARTED = time.monotonic()
# Up to here the thorough check takes seconds; the quick one leaves out only whether indexes agree with their tables.
THOROUGH = 256 * 1024 * 1024
# What an administrator counts by. A table that the database does not have is left out.
COUNTED = (
    "access_tokens",
    "devices",
    "e2e_device_keys_json",
    "event_json",
    "events",
    "local_media_repository",
    "local_media_repository_thumbnails",
    "local_media_repository_url_cache",
    "profiles",
    "pushers",
    "receipts_linearized",
    "remote_media_cache",
    "room_aliases",
    "room_memberships",
    "rooms",
    "state_groups",
    "user_threepids",
    "users",
)


def tables_of(database):
    """Names all tables."""
    rows = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {name for (name,) in rows}


def first(database, statement):
    """The first value of the first row, or None."""
    row = database.execute(statement).fetchone()
    return row[0] if row else None


def violations(database, tables):
    """Counts rows that name a row which is not there. What only Synapse has written to has none."""
    count = 0
    for table in sorted(tables):
        try:
            count += sum(1 for _ in database.execute(f'PRAGMA foreign_key_check("{table}")'))
        except sqlite3.OperationalError:
            # A reference to columns that are no key: said by the schema, not by the data.
            continue
    return count


def judged(database, path):
    """Checks a database and tells what it is and holds; what is broken stands under problems."""
    size = os.stat(path).st_size
    check = "integrity" if size <= THOROUGH else "quick"
    found = {
        "check": check,
        "problems": [],
        "foreign-key-violations": 0,
        "rows": {},
        "schema-version": 0,
        "schema-compat-version": 0,
        "server-name": None,
        "size": size,
    }
    try:
        problems = [row[0] for row in database.execute(f"PRAGMA {check}_check(10)")]
        if problems != ["ok"]:
            found["problems"] = problems
            return found
        tables = tables_of(database)
        found["foreign-key-violations"] = violations(database, tables)
        for table in COUNTED:
            if table in tables:
                found["rows"][table] = first(database, f"SELECT COUNT(*) FROM {table}")
        if "schema_version" in tables:
            found["schema-version"] = first(database, "SELECT version FROM schema_version") or 0
        if "schema_compat_version" in tables:
            version = first(database, "SELECT compat_version FROM schema_compat_version")
            found["schema-compat-version"] = version or 0
        if "users" in tables:
            # As in @anna:example.org; a server name may itself hold colons.
            name = first(database, "SELECT name FROM users ORDER BY rowid LIMIT 1") or ""
            found["server-name"] = name.partition(":")[2] or None
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        found["problems"] = [str(error)]
    return found


def settled(path):
    """Waits until the closed database lies on the disk, and makes sure that it is one file."""
    left = [end for end in ("-wal", "-shm", "-journal") if os.path.lexists(path + end)]
    if left:
        sys.exit(f"the database is not closed: {', '.join(left)} stayed behind")
    for place in (path, os.path.dirname(path)):
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
