"""Prints a digest of the content of each table that a user would miss, and of nothing that changes by itself."""

import hashlib
import json
import sqlite3
import sys

TABLES = {
    "users": "name, password_hash, creation_ts, admin, deactivated",
    "profiles": "user_id, displayname",
    "rooms": "room_id, creator, room_version",
    "events": "event_id, room_id, type, sender, stream_ordering",
    "event_json": "event_id, json",
    "local_media_repository": "media_id, media_type, media_length, upload_name, user_id",
}

database = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, timeout=20)
database.execute("BEGIN")
digests = {}
for table, columns in TABLES.items():
    digest = hashlib.sha256()
    rows = 0
    for row in database.execute(f"SELECT {columns} FROM {table} ORDER BY {columns}"):
        digest.update(repr(row).encode() + b"\n")
        rows += 1
    digests[table] = f"{rows} rows {digest.hexdigest()[:12]}"
print(json.dumps(digests))
