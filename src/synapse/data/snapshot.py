"""Copies a live SQLite database in one consistent step, checks the copy, and prints what it is as JSON.

Run by the charm under Pebble exec, behind database.py: python3 -I -c <both> SOURCE COPY. The copy must not exist.
"""

import json
import os
import sqlite3
import sys
import time

source_path, copy_path = sys.argv[1:]
descriptor = os.open(copy_path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
os.close(descriptor)

try:
    source = sqlite3.connect(f"file:{source_path}?mode=rw", uri=True, timeout=60)
    copy = sqlite3.connect(copy_path)
    try:
        # It is synced once, at the end: a copy that is not finished is of no use to anybody.
        copy.execute("PRAGMA synchronous = OFF")
        # One step: with smaller ones, every write of the server starts the copy anew, and it never ends.
        source.backup(copy, pages=-1)
        source.close()
        # A copy that is in WAL mode would grow files of its own beside it as soon as it is opened.
        copy.execute("PRAGMA journal_mode = DELETE").fetchall()
        found = judged(copy, copy_path)
    finally:
        copy.close()
except sqlite3.Error as error:
    sys.exit(f"sqlite: {error}")
settled(copy_path)
found["seconds"] = round(time.monotonic() - STARTED, 3)
json.dump(found, sys.stdout)
