"""Puts right what is wrong in a Synapse database because it is older than the server's last day, and prints it as JSON.

Run by the charm under Pebble exec, while Synapse does not run: python3 -I -c <this> DATABASE MILLISECONDS. One
transaction; what is right already stays as it is. The database is never made, and its journal mode never changed.
"""

import json
import os
import sqlite3
import sys

# What is done; the tables that it needs, first the one whose rows it is about; how. MILLISECONDS is :now.
FIX_UPS = (
    (
        "one-time-keys",
        ("e2e_one_time_keys_json",),
        "DELETE FROM e2e_one_time_keys_json",
    ),
    (
        "fallback-keys",
        ("e2e_fallback_keys_json",),
        "DELETE FROM e2e_fallback_keys_json",
    ),
    (
        # Whoever has a stream position here has a cached list; a cached list that is marked already is left alone.
        "remote-device-lists",
        ("device_lists_remote_extremeties", "device_lists_remote_resync"),
        "INSERT INTO device_lists_remote_resync (user_id, added_ts)"
        " SELECT DISTINCT user_id, :now FROM device_lists_remote_extremeties"
        " WHERE user_id NOT IN (SELECT user_id FROM device_lists_remote_resync)",
    ),
)


def fix(database, now):
    """Makes all fix-ups in one transaction."""
    database.execute("BEGIN IMMEDIATE")
    tables = {
        name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    }
    done = []
    for name, needed, statement in FIX_UPS:
        missing = [table for table in needed if table not in tables]
        if missing:
            done.append({"name": name, "rows": 0, "missing-table": missing[0]})
            continue
        # To empty a table that is empty would still be a change of the file.
        (concerned,) = database.execute(f"SELECT EXISTS (SELECT 1 FROM {needed[0]})").fetchone()
        rows = database.execute(statement, {"now": now}).rowcount if concerned else 0
        done.append({"name": name, "rows": rows})
    database.execute("COMMIT")
    return done


def sync(path):
    """Waits until a file or a directory lies on the disk as it is."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


path, now = sys.argv[1], int(sys.argv[2])
if not os.path.lexists(path):
    json.dump([], sys.stdout)
    sys.exit()
try:
    # Transactions are ours alone; a connection that is not closed by hand leaves its files behind.
    database = sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=10, isolation_level=None)
    try:
        database.execute("PRAGMA synchronous = FULL")
        done = fix(database, now)
    finally:
        database.close()
except sqlite3.Error as error:
    sys.exit(f"sqlite: {error}")
left = [end for end in ("-wal", "-shm", "-journal") if os.path.lexists(path + end)]
if left:
    sys.exit(f"somebody else has the database open: {', '.join(left)} stayed behind")
sync(path)
sync(os.path.dirname(path))
json.dump(done, sys.stdout)
