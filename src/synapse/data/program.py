"""Prints as JSON which Synapse this Python would run, and which database schemas that one understands.

Run by the charm under Pebble exec: python3 -I -c <this>. Nothing of Synapse is imported unless its source tells too
little: importing it takes longer than everything else here.
"""

import ast
import importlib
import importlib.metadata
import importlib.util
import json
import os
import sys

NAMES = ("SCHEMA_VERSION", "SCHEMA_COMPAT_VERSION")


def told_by_source(places):
    """Reads the two numbers as they are written down; None when they are not plain numbers there."""
    found = {}
    for place in places:
        try:
            with open(os.path.join(place, "storage", "schema", "__init__.py"), "rb") as file:
                statements = ast.parse(file.read()).body
        except (OSError, SyntaxError, ValueError):
            continue
        for statement in statements:
            if isinstance(statement, ast.Assign):
                targets = statement.targets
            elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
                targets = [statement.target]
            else:
                continue
            for target in targets:
                if isinstance(target, ast.Name) and target.id in NAMES:
                    try:
                        found[target.id] = ast.literal_eval(statement.value)
                    except ValueError:
                        return None
        break
    numbers = [found.get(name) for name in NAMES]
    return numbers if all(type(number) is int for number in numbers) else None


# For a name without a dot this looks for files and runs none of them.
spec = importlib.util.find_spec("synapse")
if spec is None or spec.submodule_search_locations is None:
    sys.exit("this Python has no Synapse")
numbers = told_by_source(spec.submodule_search_locations)
if numbers is None:
    schema = importlib.import_module("synapse.storage.schema")
    numbers = [getattr(schema, name) for name in NAMES]
json.dump(
    {
        "version": importlib.metadata.version("matrix-synapse"),
        "schema-version": numbers[0],
        "schema-compat-version": numbers[1],
    },
    sys.stdout,
)
