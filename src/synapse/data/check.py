"""Checks a SQLite database that nobody uses, and prints what it is as JSON.

Run by the charm under Pebble exec, behind database.py: python3 -I -c <both> DATABASE. A write-ahead log beside the
database is first folded into it, and its journal mode becomes the plain one: afterwards it is one file.
"""

import json
import os
import sqlite3
import sys
import time

path = sys.argv[1]
broken = None
try:
    # A connection to a file that is not there, or is empty, would be one to a new database.
    if os.stat(path).st_size == 0:
        broken = "the file is empty"
    database = sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=10, isolation_level=None)
    try:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        (mode,) = database.execute("PRAGMA journal_mode = DELETE").fetchone()
        if mode != "delete":
            sys.exit(f"somebody else has the database open: its journal mode stays {mode}")
    except sqlite3.OperationalError:
        database.close()
        raise
    except sqlite3.DatabaseError as error:
        broken = str(error)
    found = judged(database, path)
    database.close()
except OSError as error:
    sys.exit(f"the database cannot be read: {error.strerror}")
except sqlite3.Error as error:
    sys.exit(f"sqlite: {error}")
if broken and broken not in found["problems"]:
    found["problems"].insert(0, broken)
if not found["problems"]:
    settled(path)
found["seconds"] = round(time.monotonic() - STARTED, 3)
json.dump(found, sys.stdout)
