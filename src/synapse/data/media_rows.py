"""Copies what one Synapse database knows of a local medium into another, and prints what it did as JSON.

Run by the charm under Pebble exec, behind database.py, while Synapse does not run:
python3 -I -c <both> FROM INTO MEDIA_ID. One transaction; to do it again changes nothing more.
"""

import json
import os
import sqlite3
import sys

MEDIA = "local_media_repository"
THUMBNAILS = "local_media_repository_thumbnails"


def columns(database, schema, table):
    """Names the columns of a table, in order; none when there is no such table."""
    return [row[1] for row in database.execute(f"PRAGMA {schema}.table_info({table})")]


def copied(database, table, media):
    """Puts the rows of a medium in the place of those that are there, in the columns that both tables have."""
    there = columns(database, "origin", table)
    both = [name for name in columns(database, "main", table) if name in there]
    if "media_id" not in both:
        sys.exit(f"one of the databases has no table {table}")
    names = ", ".join(f'"{name}"' for name in both)
    replaced = database.execute(f"DELETE FROM main.{table} WHERE media_id = ?", (media,)).rowcount
    written = database.execute(
        f"INSERT INTO main.{table} ({names}) SELECT {names} FROM origin.{table} WHERE media_id = ?",
        (media,),
    ).rowcount
    return written, replaced


def put(database, media):
    """Copies all; gives what was done."""
    wanted = f"SELECT EXISTS (SELECT 1 FROM origin.{MEDIA} WHERE media_id = ? AND url_cache IS NULL)"
    (known,) = database.execute(wanted, (media,)).fetchone()
    if not known:
        return {"known": False, "replaced": False, "thumbnails": 0, "quarantined": False}
    decided = database.execute(
        f"SELECT quarantined_by FROM main.{MEDIA} WHERE media_id = ?", (media,)
    ).fetchone()
    _, replaced = copied(database, MEDIA, media)
    thumbnails, _ = copied(database, THUMBNAILS, media)
    # What a moderator has locked away since the backup stays locked away.
    if decided and decided[0]:
        database.execute(
            f"UPDATE main.{MEDIA} SET quarantined_by = COALESCE(quarantined_by, ?) WHERE media_id = ?",
            (decided[0], media),
        )
    (quarantined,) = database.execute(
        f"SELECT quarantined_by IS NOT NULL FROM main.{MEDIA} WHERE media_id = ?", (media,)
    ).fetchone()
    return {
        "known": True,
        "replaced": replaced > 0,
        "thumbnails": thumbnails,
        "quarantined": bool(quarantined),
    }


origin, into, media = sys.argv[1:]
try:
    os.stat(origin)
    os.stat(into)
    database = sqlite3.connect(f"file:{into}?mode=rw", uri=True, timeout=10, isolation_level=None)
    try:
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA foreign_keys = ON")
        # The other one is only read, but one in WAL mode cannot be opened without its files beside it.
        database.execute("ATTACH ? AS origin", (f"file:{origin}?mode=rw",))
        database.execute("BEGIN IMMEDIATE")
        done = put(database, media)
        database.execute("COMMIT")
    finally:
        database.close()
except OSError as error:
    sys.exit(f"a database cannot be read: {error.strerror}")
except sqlite3.Error as error:
    sys.exit(f"sqlite: {error}")
settled(into)
json.dump(done, sys.stdout)
