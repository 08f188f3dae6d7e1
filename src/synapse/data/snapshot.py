"""Copies a live SQLite database in one consistent step, checks the copy, and prints what it is as JSON.

Run by the charm under Pebble exec: python3 -c <this> SOURCE COPY. The copy must not exist.
"""

import json
import os
import sqlite3
import sys

source_path, copy_path = sys.argv[1:]
descriptor = os.open(copy_path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
os.close(descriptor)

source = sqlite3.connect(f"file:{source_path}?mode=rw", uri=True, timeout=60)
copy = sqlite3.connect(copy_path)
# One step: with smaller ones, every write of the server starts the copy anew, and it never ends.
source.backup(copy, pages=-1)
source.close()

# A copy that is in WAL mode would grow files of its own beside it as soon as it is opened.
copy.execute("PRAGMA journal_mode=DELETE").fetchall()
problems = [row[0] for row in copy.execute("PRAGMA integrity_check(10)")]
version = copy.execute("SELECT version FROM schema_version").fetchone()
compatible = copy.execute("SELECT compat_version FROM schema_compat_version").fetchone()
copy.close()

descriptor = os.open(copy_path, os.O_RDONLY)
os.fsync(descriptor)
os.close(descriptor)
json.dump(
    {
        "problems": [] if problems == ["ok"] else problems,
        "schema-version": version[0] if version else 0,
        "schema-compat-version": compatible[0] if compatible else 0,
        "size": os.stat(copy_path).st_size,
    },
    sys.stdout,
)
