"""Finds a free port, or asks a Synapse on one of the loopback's whether it works, and prints the answer as JSON.

Run by the charm under Pebble exec, because only the workload's own network has that port:
python3 -I -c <this> port; python3 -I -c <this> ask PORT SECONDS.
"""

import http.client
import json
import socket
import sys
import time

HOST = "127.0.0.1"
# A Synapse that is busy with its tables may take a while for its first answers.
PATIENCE = 30


def get(port, path):
    """One question; gives status, body and the server's name for itself."""
    connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(1 << 20), answer.getheader("Server") or ""
    finally:
        connection.close()


def healthy(port, end):
    """Waits until the server is well."""
    while True:
        try:
            status, body, _ = get(port, "/health")
            seen = f"status {status}"
            if status == 200 and body == b"OK":
                return
        except (OSError, http.client.HTTPException) as error:
            seen = str(error)
        if time.monotonic() > end:
            sys.exit(f"/health: {seen}")
        time.sleep(0.1)


def ask(port, seconds):
    """Asks for the server's health, what it speaks, and one thing that it has to look up in its database."""
    healthy(port, time.monotonic() + seconds)
    status, body, server = get(port, "/_matrix/client/versions")
    if status != 200 or not json.loads(body)["versions"]:
        sys.exit(f"/_matrix/client/versions: status {status}")
    status, body, _ = get(port, "/_matrix/client/v3/directory/list/room/!rehearsal:localhost")
    if status != 404 or json.loads(body)["errcode"] != "M_NOT_FOUND":
        sys.exit(f"/_matrix/client/v3/directory/list/room: status {status}")
    # As in Synapse/1.163.2 (b=main,c7a5fb8).
    return {"version": server.partition("/")[2].partition(" ")[0]}


if sys.argv[1] == "port":
    with socket.socket() as free:
        free.bind((HOST, 0))
        found = {"port": free.getsockname()[1]}
else:
    try:
        found = ask(int(sys.argv[2]), int(sys.argv[3]))
    except (OSError, ValueError, LookupError, http.client.HTTPException) as error:
        sys.exit(f"{type(error).__name__}: {error}")
json.dump(found, sys.stdout)
