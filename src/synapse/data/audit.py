"""Compares the local media of a Synapse database with files that are told line by line, and prints the result as JSON.

Run by the charm under Pebble exec: python3 -I -c <this> DATABASE. On standard input a line for each file below
media/local_content: bytes, TAB, SHA-256 in hexadecimal digits or "-", TAB, path below that directory. Needs little
memory, however many files there are. Only reads.
"""

import itertools
import json
import os
import sqlite3
import sys

# How many findings of a kind are named, and how much of a name is shown.
NAMED = 1000
SHOWN = 128
# Files that are looked up in one transaction, which is begun when all of them were told: none is left open meanwhile.
BATCH = 1000
# Rows that stand in one piece of the memory of which were seen.
PIECE = 8 * 4096


class Findings:
    """Counts findings and names the first."""

    def __init__(self):
        self.count = 0
        self.names = []

    def add(self, name):
        """Notes one."""
        self.count += 1
        if len(self.names) < NAMED:
            self.names.append(str(name)[:SHOWN])

    def told(self):
        """What is printed of them."""
        return {"count": self.count, "names": sorted(self.names)}


class Seen:
    """Which rows had a file: a bit each, in pieces that are made when one is needed."""

    def __init__(self):
        self.pieces = {}

    def add(self, row):
        """Remembers a row."""
        place, bit = divmod(row, PIECE)
        self.pieces.setdefault(place, bytearray(PIECE // 8))[bit // 8] |= 1 << bit % 8

    def __contains__(self, row):
        place, bit = divmod(row, PIECE)
        return place in self.pieces and bool(self.pieces[place][bit // 8] & 1 << bit % 8)


def media_id(path):
    """The id of the media whose file lies there, or None when no media's file does."""
    parts = path.split("/")
    if len(parts) == 3 and len(parts[0]) == 2 and len(parts[1]) == 2 and parts[2]:
        return "".join(parts)
    return None


def audit(database, lines):
    """Compares."""
    columns = {row[1] for row in database.execute("PRAGMA table_info(local_media_repository)")}
    if not columns:
        sys.exit("the database has no table local_media_repository")
    digest = "sha256" if "sha256" in columns else "NULL"
    # Previews of web pages lie elsewhere. What has no length yet was announced, and may be on its way.
    local = "FROM local_media_repository WHERE url_cache IS NULL"
    look = f"SELECT rowid, media_length, {digest} {local} AND media_id = ?"
    # On a server that runs, files are told before rows that come later.
    (last,) = database.execute("SELECT MAX(rowid) FROM local_media_repository").fetchone()

    seen = Seen()
    missing, surplus, wrong_size, wrong_digest = (Findings() for _ in range(4))
    files = rows = size = 0
    for batch in iter(lambda: list(itertools.islice(lines, BATCH)), []):
        database.execute("BEGIN")
        for line in batch:
            told, sha256, path = line.decode("utf-8", "replace").rstrip("\n").split("\t", 2)
            files += 1
            name = media_id(path)
            row = name and database.execute(look, (name,)).fetchone()
            if not row:
                surplus.add(name or path)
                continue
            number, length, recorded = row
            seen.add(number)
            if length is None:
                continue
            if length != int(told):
                wrong_size.add(name)
            elif recorded and sha256 != "-" and recorded.lower() != sha256:
                wrong_digest.add(name)
        database.execute("COMMIT")
    expected = f"SELECT rowid, media_id, media_length {local} AND media_length IS NOT NULL AND rowid <= ?"
    for number, name, length in database.execute(expected, (last,)):
        rows += 1
        size += length
        if number not in seen:
            missing.add(name)
    return {
        "rows": rows,
        "bytes": size,
        "files": files,
        "missing": missing.told(),
        "surplus": surplus.told(),
        "wrong-size": wrong_size.told(),
        "wrong-digest": wrong_digest.told(),
    }


try:
    # A server's database cannot always be read by who may not write to the files beside it.
    path = sys.argv[1]
    os.stat(path)
    database = sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=60, isolation_level=None)
    try:
        database.execute("PRAGMA query_only = ON")
        database.execute("PRAGMA cache_size = -16384")
        found = audit(database, sys.stdin.buffer)
    finally:
        database.close()
except OSError as error:
    sys.exit(f"the database cannot be read: {error.strerror}")
except sqlite3.Error as error:
    sys.exit(f"sqlite: {error}")
json.dump(found, sys.stdout)
