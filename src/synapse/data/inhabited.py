"""Prints as JSON whether anything of a user is in a Synapse database.

Run by the charm under Pebble exec: python3 -I -c <this> DATABASE. Nothing is written; Synapse may run meanwhile.
"""

import json
import os
import sqlite3
import sys

path = sys.argv[1]
if not os.path.lexists(path):
    json.dump(False, sys.stdout)
    sys.exit()
try:
    database = sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=10)
    tables = {
        name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    }
    found = any(
        database.execute(f"SELECT EXISTS (SELECT 1 FROM {table})").fetchone()[0]
        for table in ("users", "events", "local_media_repository")
        if table in tables
    )
    database.close()
except sqlite3.Error as error:
    sys.exit(f"sqlite: {error}")
json.dump(found, sys.stdout)
