"""Prints as JSON which PostgreSQL database a Synapse uses and how far it has come, all as of one moment.

Run by the charm under Pebble exec: python3 -I -c <this> HOMESERVER_YAML. The password is read from that file, as Synapse
does, or, when - stands there, from such a text on standard input, so that it is in no argument and no environment.
Nothing is written.
"""

import json
import sys

import psycopg2
import yaml

# What is counted, and how long one table may take before its number is estimated.
TABLES = ("users", "devices", "rooms", "events", "local_media_repository", "access_tokens")
COUNT_MILLISECONDS = 10000

VERSION = "SELECT max(version) FROM schema_version"
COMPATIBLE = "SELECT max(compat_version) FROM schema_compat_version"
NEWEST_EVENT = "SELECT received_ts FROM events ORDER BY stream_ordering DESC LIMIT 1"
NEWEST_MEDIA = "SELECT max(created_ts) FROM local_media_repository"
# The same for all copies of one server's data, and different for every other server.
SYSTEM = "SELECT system_identifier::text FROM pg_control_system()"
LOG_POSITION = "SELECT pg_current_wal_lsn()::text"
LOCALE = "SELECT datcollate FROM pg_database WHERE datname = current_database()"
# Indexes of texts were built with the order of another version of the C library.
MOVED = (
    "SELECT coalesce(datcollversion <> pg_database_collation_actual_version(oid), false)"
    " FROM pg_database WHERE datname = current_database()"
)
MOMENT = (
    "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),"
    " current_database(), current_setting('server_version'), pg_database_size(current_database())"
)
ESTIMATE = "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = to_regclass(%s)"


def value(cursor, query, arguments=(), otherwise=None):
    """One value; something else when the question is refused, takes too long, or has no answer."""
    cursor.execute("SAVEPOINT question")
    try:
        cursor.execute(query, arguments)
        row = cursor.fetchone()
    except psycopg2.Error:
        cursor.execute("ROLLBACK TO SAVEPOINT question")
        row = None
    cursor.execute("RELEASE SAVEPOINT question")
    return otherwise if row is None or row[0] is None else row[0]


def there(cursor, table):
    """Whether there is such a table."""
    return value(cursor, "SELECT to_regclass(%s) IS NOT NULL", (table,), False)


def identity(connection):
    """Everything, from one snapshot."""
    connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
    cursor = connection.cursor()
    cursor.execute(MOMENT)
    at, name, version, size = cursor.fetchone()
    cursor.execute("SET LOCAL statement_timeout = %s", (COUNT_MILLISECONDS,))
    rows, estimated = {}, []
    for table in TABLES:
        if not there(cursor, table):
            continue
        count = value(cursor, f"SELECT count(*) FROM {table}")
        if count is None:
            count = value(cursor, ESTIMATE, (table,), 0)
            estimated.append(table)
        rows[table] = count
    moved = connection.server_version >= 150000 and value(cursor, MOVED, (), False)
    return {
        "server-version": version.split()[0],
        "name": name,
        "host": f"{connection.info.host}:{connection.info.port}",
        "system-identifier": value(cursor, SYSTEM),
        "log-position": value(cursor, LOG_POSITION),
        "locale": value(cursor, LOCALE, (), ""),
        "collation-moved": bool(moved),
        "at": at,
        "size": size,
        "schema-version": value(cursor, VERSION, (), 0),
        "schema-compat-version": value(cursor, COMPATIBLE, (), 0),
        "newest-event": value(cursor, NEWEST_EVENT),
        "newest-media": value(cursor, NEWEST_MEDIA),
        "rows": rows,
        "estimated": estimated,
    }


if sys.argv[1] == "-":
    text = sys.stdin.read()
else:
    with open(sys.argv[1], encoding="utf-8") as file:
        text = file.read()
database = yaml.safe_load(text).get("database", {})
if database.get("name") != "psycopg2":
    sys.exit("homeserver.yaml names no PostgreSQL database")
arguments = {
    key: value for key, value in database["args"].items() if not key.startswith("cp_")
}
try:
    connection = psycopg2.connect(**arguments)
    answer = identity(connection)
    connection.close()
except psycopg2.Error as error:
    # What the driver says names the host and the user, and never the password.
    answer = {"refused": " ".join(str(error).split()) or type(error).__name__}
json.dump(answer, sys.stdout)
